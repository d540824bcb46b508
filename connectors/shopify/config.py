"""How to reach a Shopify shop."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["ShopifyAccount"]


class ShopifyAccount(BaseModel):
    """``secrets``: every app secret that may sign a webhook now (two while one is being rotated)."""

    model_config = ConfigDict(extra="forbid")
    api_url: str = ""
    secrets: list[str]
    token: str = ""
    api_version: str = "2026-04"
    poll_seconds: float = 60.0
    pool: str = "main"
