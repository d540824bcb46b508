"""Who may ask for returns over HTTP."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["PortalAccount"]


class PortalAccount(BaseModel):
    """A return portal, a shop's own pages, a help desk. ``secrets``: every secret that may sign its requests now."""

    model_config = ConfigDict(extra="forbid")
    secrets: list[str]
