"""Deliveries that are genuine (signed, readable) and broken: they must be confirmed, kept, and found in the DLQ, and hurt nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from .checks.evidence import Poison
from .processes import ACCOUNT, SECRETS, DemoProcesses

__all__ = ["BROKEN", "send"]

BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "no lines": ("orders/create", {"id": 990001, "created_at": "2026-11-23T08:00:00+01:00", "currency": "EUR"}),
    "a price that is no number": (
        "orders/create",
        {
            "id": 990002,
            "created_at": "2026-11-23T08:00:00+01:00",
            "updated_at": "2026-11-23T08:00:00+01:00",
            "currency": "EUR",
            "line_items": [{"id": 1, "sku": "WH-1000", "quantity": 1, "price": "twelve"}],
        },
    ),
    "a refund of no order": ("refunds/create", {"id": 990003, "refund_line_items": []}),
}
"""What is wrong → topic and body."""


def send(site: DemoProcesses, seed: int) -> list[Poison]:
    """Send each of them; those that were answered with 2xx must be found again."""
    confirmed = []
    for name, (topic, body) in BROKEN.items():
        delivery = str(uuid.uuid5(uuid.NAMESPACE_URL, f"wharf-demo/{seed}/{name}"))
        if _post(site, topic, delivery, json.dumps(body).encode()):
            confirmed.append(Poison(f"shopify:{ACCOUNT}", delivery))
    return confirmed


def _post(site: DemoProcesses, topic: str, delivery: str, body: bytes) -> bool:
    digest = hmac.new(SECRETS["SHOPIFY"].encode(), body, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": "simulated.myshopify.com",
        "X-Shopify-Event-Id": delivery,
        "X-Shopify-Webhook-Id": delivery,
        "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
    }
    url = f"{site.webhooks}/webhooks/shopify/{ACCOUNT}"
    try:
        with urlopen(Request(url, data=body, headers=headers), timeout=10) as answer:  # noqa: S310  # our own server
            return bool(answer.status < 300)
    except HTTPError:
        return False
