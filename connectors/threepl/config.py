"""How to reach a depot's WMS or 3PL."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ThreePl"]


class ThreePl(BaseModel):
    """``secrets``: every secret that may sign a webhook of this 3PL now. ``api_url`` is the base of docs/threepl.md's paths."""

    model_config = ConfigDict(extra="forbid")
    api_url: str
    token: str = ""
    secrets: list[str] = []
    poll_seconds: float = Field(60.0, gt=0)
    timeout_seconds: float = Field(10.0, gt=0)
