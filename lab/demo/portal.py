"""The shop's own return page in a demo: customers who want other goods instead ask over the signed returns API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from urllib.error import URLError
from urllib.request import Request, urlopen

from .checks.evidence import Exchange
from .processes import PORTAL, SECRETS, DemoProcesses

__all__ = ["Portal"]


class Portal:
    """``asked`` is its own ledger: what a customer was told to be on its way (answered with 2xx)."""

    def __init__(self, site: DemoProcesses) -> None:
        self._url = f"{site.webhooks}/webhooks/portal/{PORTAL}"
        self._seed = site.plan.seed
        self.asked: list[Exchange] = []

    def exchange(self, wish: Exchange) -> None:
        """Ask for it, as often as it takes; some customers press the button twice all the same."""
        body = json.dumps(
            {
                "order_key": wish.key,
                "kind": "exchange",
                "lines": [{"line_id": wish.line_id, "qty": wish.qty, "reason": "too small"}],
                "exchange": [{"sku": wish.sku, "qty": wish.goods_qty, "unit_price": wish.price}],
            }
        ).encode()
        event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"wharf-demo/{self._seed}/exchange/{wish.key}"))
        confirmed = [self._post(body, event_id) for _ in range(1 + len(self.asked) % 2)]
        if any(confirmed):
            self.asked.append(wish)

    def _post(self, body: bytes, event_id: str) -> bool:
        digest = hmac.new(SECRETS["PORTAL"].encode(), body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json",
            "X-Wharf-Event-Id": event_id,
            "X-Wharf-Signature": base64.b64encode(digest).decode(),
        }
        for _ in range(5):
            try:
                with urlopen(Request(self._url, data=body, headers=headers), timeout=10) as answer:  # noqa: S310  # our own server
                    return bool(answer.status < 300)
            except (URLError, OSError):
                continue
        return False
