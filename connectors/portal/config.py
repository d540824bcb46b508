"""Who may ask for returns over HTTP, and for whose orders."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PortalAccount"]

Account = Annotated[str, Field(pattern=r"^[^:\s]+:[^:\s]+$")]


class PortalAccount(BaseModel):
    """A return portal, a shop's own pages, a help desk.

    ``secrets``: every secret that may sign its requests now; ``accounts``: ``channel:account`` of the orders it may speak of, no others.
    """

    model_config = ConfigDict(extra="forbid")
    secrets: list[str]
    accounts: list[Account] = Field(min_length=1)
