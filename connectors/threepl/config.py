"""How to reach a depot's WMS or 3PL."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["ThreePl"]


class ThreePl(BaseModel):
    """``secrets``: every secret that may sign a webhook of this 3PL now."""

    model_config = ConfigDict(extra="forbid")
    api_url: str
    token: str = ""
    secrets: list[str] = []
    poll_seconds: float = 60.0
