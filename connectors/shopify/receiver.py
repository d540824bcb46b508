"""Shopify's webhooks: signature and headers. Source: shopify.dev, "Deliver webhooks through HTTPS", and the table in docs/shopify.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors import json_check as json
from connectors import signatures as hmac
from connectors.protocols import BadSignature, Received, Translation, Unreadable

from .translate import translate

__all__ = ["ShopifyReceiver"]

_SIGNATURE = "x-shopify-hmac-sha256"


class ShopifyReceiver:
    """One shop's webhooks. ``secrets``: every app secret that may sign now; ``services``: shipping code or title → service level."""

    channel = "shopify"
    signature_header = _SIGNATURE
    named_by: tuple[str, ...] = ("x-shopify-topic", "x-shopify-event-id", "x-shopify-webhook-id")

    def __init__(self, account: str, secrets: Sequence[str], services: Mapping[str, str] | None = None) -> None:
        self.account = account
        self._secrets = tuple(secrets)
        self._services = dict(services or {})

    def verify(self, headers: Mapping[str, str], body: bytes) -> Received:
        """The signature first: nothing is parsed for a stranger. Raises BadSignature, Unreadable.

        The event id names the event, the webhook id one delivery's subscription; both are kept, the first one deduplicates.
        """
        signature = headers.get(_SIGNATURE)
        if not signature:
            raise BadSignature(f"no {_SIGNATURE} header")
        hmac.verify(self._secrets, body, signature)
        topic = headers.get("x-shopify-topic")
        if not topic:
            raise Unreadable("no x-shopify-topic header")
        json.check(body)
        kept = {k: v for k, v in headers.items() if k.startswith("x-shopify-") and k != _SIGNATURE}
        delivery = headers.get("x-shopify-event-id") or headers.get("x-shopify-webhook-id") or ""
        return Received(topic, delivery, kept)

    def translate(self, received: Received, body: bytes, now: int, trace: str) -> Translation:
        """Translate a delivery with ``connectors.shopify.translate``."""
        return translate(
            received.topic,
            body,
            self.account,
            now,
            trace,
            delivery_id=received.delivery_id,
            services=self._services,
        )
