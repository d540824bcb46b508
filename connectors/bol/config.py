"""How to reach a Bol Retailer account."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["BolAccount"]


class BolAccount(BaseModel):
    """OAuth2 client credentials of the Retailer API v10."""

    model_config = ConfigDict(extra="forbid")
    client_id: str
    client_secret: str
    api_url: str = "https://api.bol.com"
    login_url: str = "https://login.bol.com"
    poll_seconds: float = 600.0
    pool: str = "main"
