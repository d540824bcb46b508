"""Signed Shopify deliveries at the price of a few microseconds each, so that the generator leaves the machine to what is measured.

A delivery is a template of the simulated shop's, the same but for what makes it an order of its own (ids, customer, phone, times), which comes
last in the body: then its signature is a copy of the template's SHA-256 state and a short update. Every order differs: no cache of the
product's helps more than it would in a shop.
"""

from __future__ import annotations

import base64
import hashlib
import random
from functools import lru_cache
from typing import Any

import msgspec

from lab.simulators.catalogue import Product
from lab.simulators.shopify.orders import SimLine, make
from lab.simulators.shopify.rest_bodies import iso, order_body

__all__ = ["FIRST", "Deliveries", "order_number"]

FIRST = 7_000_000_000_000
"""The id before the first order's."""
_BLOCK = 64
_OWN = ("id", "admin_graphql_api_id", "name", "email", "contact_email", "created_at", "updated_at", "shipping_address")
"""What the end of a body says."""
_NOTE = "Please pack it as a gift and leave the receipt out of the parcel; the card says: all the best from all of us"


def order_number(order_key: str) -> int:
    """Which order of the run an order key is: 1, 2, 3 …"""
    return int(order_key.rpartition(":")[2]) - FIRST


@lru_cache(maxsize=1024)
def _iso(second: int) -> str | None:
    return iso(second * 1000)


class _Template:
    """The bytes before what is an order's own, and the signature's inner and outer hash after them."""

    def __init__(self, body: dict[str, Any], address: dict[str, Any], inner: hashlib._Hash) -> None:
        self.address = msgspec.json.encode({k: v for k, v in address.items() if k not in {"phone", "address1"}})[:-1]
        rest = {k: v for k, v in body.items() if k not in _OWN}
        self.begin = msgspec.json.encode(rest)[:-1] + b","
        self.inner = inner.copy()
        self.inner.update(self.begin)


class Deliveries:
    """``orders/create`` bodies of about ``size`` bytes; ``lines``: how many lines each order has, with their chances.

    ``request(n, placed)`` is the ``n``-th order's whole HTTP request, signed. ``placed``: ms.
    """

    def __init__(
        self,
        products: list[Product],
        *,
        secret: str,
        path: str,
        host: str,
        seed: int = 1,
        size: int = 25_000,
        lines: dict[int, int] | None = None,
        templates: int = 300,
    ) -> None:
        block = secret.encode().ljust(_BLOCK, b"\0")
        inner = hashlib.sha256(bytes(line ^ 0x36 for line in block))
        self._outer = hashlib.sha256(bytes(line ^ 0x5C for line in block))
        chance = random.Random(f"bench/{seed}")
        shares = lines or {12: 1}
        bodies = (_template(chance, number, products, shares, size) for number in range(1, templates + 1))
        self._templates = [_Template(body, address, inner) for body, address in bodies]
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Shopify-Captain-Hook\r\nContent-Type: application/json\r\n"
            "X-Shopify-Topic: orders/create\r\nX-Shopify-Shop-Domain: bench.myshopify.com\r\nX-Shopify-Api-Version: 2026-04\r\n"
        )

    def request(self, ordinal: int, placed: int) -> bytes:
        """The ``ordinal``-th order (from 1), placed at ``placed`` (UTC ms)."""
        template = self._templates[ordinal % len(self._templates)]
        at = _iso(placed // 1000)
        number = FIRST + ordinal
        own = (
            f'"id":{number},"admin_graphql_api_id":"gid://shopify/Order/{number}","name":"#{ordinal}",'
            f'"email":"customer-{ordinal}@example.com","contact_email":"customer-{ordinal}@example.com","created_at":"{at}","updated_at":"{at}",'
            '"shipping_address":'
        ).encode() + b'%b,"address1":"Kade %d","phone":"+316%08d"}}' % (
            template.address,
            ordinal % 900 + 1,
            ordinal % 100_000_000,
        )
        inner = template.inner.copy()
        inner.update(own)
        outer = self._outer.copy()
        outer.update(inner.digest())
        signature = base64.b64encode(outer.digest()).decode()
        head = (
            f"{self._head}X-Shopify-Event-Id: bench-{ordinal}\r\nX-Shopify-Webhook-Id: bench-webhook-{ordinal}\r\n"
            f"X-Shopify-Hmac-Sha256: {signature}\r\nContent-Length: {len(template.begin) + len(own)}\r\n\r\n"
        ).encode()
        return b"".join((head, template.begin, own))


def _template(
    chance: random.Random, number: int, products: list[Product], lines: dict[int, int], size: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    order = make(number, number, products, 0)
    picked = chance.sample(products, k=chance.choices(list(lines), list(lines.values()))[0])
    order.lines = [
        SimLine(order.id * 100 + index + 1, product, chance.choice((1, 1, 1, 2)))
        for index, product in enumerate(picked)
    ]
    order.shipping, order.financial_status, order.tags = 495, "paid", ""
    order.address = {**order.address, "zip": order.right_zip}
    order.test = False
    body = order_body(order)
    index = 0
    while len(msgspec.json.encode(body)) < size - 200:  # what shops really hang on their lines: properties
        line = body["line_items"][index % len(body["line_items"])]
        line["properties"].append({"name": f"_note_{index}", "value": _NOTE})
        index += 1
    return body, body["shipping_address"]
