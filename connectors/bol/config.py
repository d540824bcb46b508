"""How to reach a Bol Retailer account."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BolAccount"]


class BolAccount(BaseModel):
    """OAuth2 client credentials of the Retailer API v10.

    ``poll_seconds``: between two looks at the order list (Bol advises 5 to 15 minutes). ``fulfilment_method``: FBR polls what the
    merchant ships, ALL also what Bol ships (FBB), for the record.
    """

    model_config = ConfigDict(extra="forbid")
    client_id: str
    client_secret: str
    api_url: str = "https://api.bol.com"
    login_url: str = "https://login.bol.com"
    poll_seconds: float = Field(600.0, gt=0)
    fulfilment_method: Literal["FBR", "ALL"] = "FBR"
    timeout_seconds: float = Field(10.0, gt=0)
    pool: str = "main"
