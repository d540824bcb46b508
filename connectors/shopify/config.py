"""How to reach a Shopify shop."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ShopifyAccount"]


class ShopifyAccount(BaseModel):
    """``secrets``: every app secret that may sign a webhook now (two while one is being rotated).

    ``api_url``: ``https://SHOP.myshopify.com``; ``token``: the custom app's Admin API token. ``services``: a shipping line's code or
    title → service level (``standard``, ``express``, ``same_day``, ``pickup`` or a name of your rules). ``cancel_refunds``: whether an
    order that Wharfinger cancels is paid back by Shopify at once.
    """

    model_config = ConfigDict(extra="forbid")
    api_url: str = ""
    secrets: list[str]
    token: str = ""
    api_version: str = "2026-04"
    poll_seconds: float = Field(60.0, gt=0)
    pool: str = "main"
    services: dict[str, str] = {}
    notify_customer: bool = True
    cancel_refunds: bool = True
