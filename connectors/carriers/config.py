"""How return labels are made."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["CarrierAccount"]


class CarrierAccount(BaseModel):
    """A carrier of ``wharf.yaml``. ``costs``: minor units of ``currency`` by the sender's country, ``"*"`` for all others.

    ``tracking_url`` holds ``{number}``; it is a link for people and never fetched. ``kind`` ``local``: Wharfinger prints the labels itself,
    under an account number that the carrier's contract gives (a free-post number, a return contract).
    """

    model_config = ConfigDict(extra="forbid")
    kind: Literal["local"] = "local"
    name: str = Field("Wharf Post", min_length=1, max_length=60)
    service: str = ""
    costs: dict[str, int] = {"*": 0}
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
    tracking_url: str = ""
    public_url: str = ""

    @field_validator("costs")
    @classmethod
    def _countries(cls, costs: dict[str, int]) -> dict[str, int]:
        for country, cost in costs.items():
            if country != "*" and not re.fullmatch("[A-Z]{2}", country):
                raise ValueError(f"{country!r}: a country is two capital letters, '*' all others")
            if cost < 0:
                raise ValueError(f"{country}: {cost} is below 0")
        return costs

    @field_validator("tracking_url")
    @classmethod
    def _tracking(cls, url: str) -> str:
        if url and not (url.startswith("https://") and "{number}" in url):
            raise ValueError("an https:// address with {number} in it is needed")
        return url
