"""The returns API: ``POST /webhooks/portal/{name}``, for a return portal, a shop's own pages, a help desk.

Signed and deduplicated as every webhook: ``X-Wharf-Signature`` (base64 HMAC-SHA256 of the raw body) and ``X-Wharf-Event-Id`` (unique a request, the
same on every try). What can't be taken is refused at once, with its field: whoever wrote the portal reads the answer. What the policy decides of a
request is an event of its order: the answer only says that it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from connectors import json_check as json
from connectors import signatures as hmac
from connectors.checks.customer import content_hash
from connectors.protocols import Received, Translation, TranslationError, Unreadable
from domain import keys
from domain.errors import Rejected
from domain.records.commands import ReturnRequested
from domain.records.record import uuid5
from domain.records.values import ExchangeLine, ReturnLine

from .config import PortalAccount

__all__ = ["TOPIC", "PortalReceiver"]

TOPIC = "return.request"
_KEPT = ("x-wharf-event-id", "content-type", "user-agent")
_SIGNATURE = "x-wharf-signature"
_MAX_BODY = 64 * 1024
"""Bytes of a request: it becomes a part of its order's state, which has to fit into one record."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Short = Annotated[str, msgspec.Meta(max_length=100)]
Title = Annotated[str, msgspec.Meta(max_length=300)]
Comment = Annotated[str, msgspec.Meta(max_length=2_000)]
Units = Annotated[int, msgspec.Meta(ge=1, le=9999)]
Money = Annotated[int, msgspec.Meta(ge=0, le=100_000_000_000)]
"""Minor units: a thousand million of most currencies."""


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    qty: Units
    line_id: Title = ""
    sku: Title = ""
    reason: Title = ""
    comment: Comment = ""


class _Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sku: Text
    qty: Units
    unit_price: Money = 0
    tax: Money = 0
    title: Title = ""


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_key: Text
    lines: Annotated[list[_Line], msgspec.Meta(min_length=1, max_length=200)]
    kind: Literal["return", "claim", "exchange"] = "return"
    exchange: Annotated[list[_Exchange], msgspec.Meta(max_length=200)] = []
    label_payer: Literal["", "customer", "merchant"] = ""
    amount: Annotated[int, msgspec.Meta(ge=1, le=100_000_000_000)] | None = None
    actor: Short = ""


class PortalReceiver:
    """The requests of one portal; ``account`` is its name in ``wharf.yaml``."""

    channel = "portal"
    signature_header = _SIGNATURE
    named_by: tuple[str, ...] = ("x-wharf-event-id",)

    def __init__(self, account: str, config: PortalAccount) -> None:
        self.account = account
        self._secrets = tuple(config.secrets)
        self._accounts = frozenset(config.accounts)

    def verify(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Signature first, over the raw bytes; then the whole request. Raises BadSignature or Unreadable."""
        hmac.verify(self._secrets, body, headers.get(_SIGNATURE, ""))
        event_id = headers.get("x-wharf-event-id", "")
        if not event_id:
            raise Unreadable("the header x-wharf-event-id is missing")
        if len(body) > _MAX_BODY:
            raise Unreadable(f"the body: at most {_MAX_BODY} bytes are taken, these are {len(body)}")
        json.check(body)
        try:
            self._checked(_read(body))
        except TranslationError as e:
            raise Unreadable(str(e)) from e
        return Received(topic=TOPIC, delivery_id=event_id, headers={k: headers[k] for k in _KEPT if k in headers})

    def translate(self, received: Received, body: bytes, now: int, trace: str) -> Translation:
        """Translate a delivery. Raises TranslationError where it can't be read."""
        request = _read(body)
        return Translation(orders=[self._requested(request, self._checked(request), received.delivery_id, now, trace)])

    def _checked(self, request: _Request) -> str:
        """The key of an order that this portal may speak of."""
        try:
            key = keys.order_key(*request.order_key.split(":", 2))
        except (Rejected, TypeError) as e:
            raise TranslationError("order_key", f"{request.order_key!r} is not channel:account:order id") from e
        if ":".join(request.order_key.split(":")[:2]) not in self._accounts:
            raise TranslationError("order_key", f"the portal {self.account} may not speak of orders of this account")
        for i, line in enumerate(request.lines):
            if not (line.line_id or line.sku):
                raise TranslationError(f"lines[{i}]", "line_id or sku is needed")
        return key

    def _requested(self, request: _Request, key: str, event_id: str, now: int, trace: str) -> ReturnRequested:
        digest = content_hash(request)
        fact = f"request/{self.account}/{event_id}"
        return ReturnRequested(
            event_id=uuid5(key, 0, f"ReturnRequested|{fact}|{digest}"),
            type="ReturnRequested",
            time=now,
            source=f"portal:{self.account}",
            trace=trace,
            order_key=key,
            idempotency_key=fact,
            delivery_id=f"{self.account}/{event_id}",
            content_hash=digest,
            kind=request.kind,
            via="api",
            return_id="",
            lines=[ReturnLine(line.line_id, line.sku, line.qty, line.reason, line.comment) for line in request.lines],
            exchange=[
                ExchangeLine(exchange.sku, exchange.qty, exchange.unit_price, exchange.tax, exchange.title)
                for exchange in request.exchange
            ],
            label_payer=request.label_payer,
            actor=request.actor or self.account,
            amount=request.amount,
        )


def _read(body: bytes) -> _Request:
    try:
        return msgspec.json.decode(body, type=_Request)
    except msgspec.ValidationError as e:
        message, _, path = str(e).partition(" - at `")
        raise TranslationError(path.rstrip("`").removeprefix("$.") or "$", message) from e
    except (msgspec.DecodeError, RecursionError) as e:
        raise TranslationError("$", f"the body is not JSON: {e}") from e
