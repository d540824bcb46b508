"""A step as the command it is: what a channel, a warehouse, a carrier or a person tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from connectors.checks.customer import content_hash, customer_key
from domain.keys import order_key
from domain.records import commands as c
from domain.records.values import Address, Client, Delivery, LineQty, Order, OrderLine, RefundLine
from domain.records.values import Payment as Paid
from domain.records.values import Problem as Found

from .form import Cancel, Change, Edit, Fulfilment, Hold, LineForm, OrderForm, Payment, Refund, Reroute
from .times import moment

F = TypeVar("F", bound=c.ChannelFact)

__all__ = ["Facts", "head", "line_ids"]


def head(kind: str, n: int, now: int, source: str) -> dict[str, Any]:
    """The metadata of the ``n``-th record that comes from outside."""
    return {
        "event_id": f"00000000-0000-4000-8000-{n:012d}",
        "type": kind,
        "time": now,
        "source": source,
        "trace": f"{n:032x}",
    }


def line_ids(lines: list[LineForm]) -> list[str]:
    """The id of each line: its own, or its SKU; the second line of a SKU is ``SKU#2``."""
    ids: list[str] = []
    for i, form in enumerate(lines):
        again = sum(line_form.sku == form.sku and not line_form.line for line_form in lines[:i])
        ids.append(form.line or (f"{form.sku}#{again + 1}" if again else form.sku))
    return ids


class Facts:
    """Makes the commands of the channels. Remembers what each order was shown as last, for changes and units by line."""

    def __init__(self, channel: str, account: str, zone: ZoneInfo) -> None:
        self._channel, self._account, self._zone = channel, account, zone
        self._shown: dict[str, OrderForm] = {}
        self._first: dict[str, int] = {}
        self._n = 0
        self._make: dict[type, Callable[[Any, int, dict[str, Any]], c.OrderCommand]] = {
            OrderForm: self._order,
            Cancel: self._cancel,
            Payment: self._payment,
            Refund: self._refund,
            Fulfilment: self._fulfilment,
            Edit: self._edit,
        }

    def key(self, order: str) -> str:
        """The whole key of an order that is named by its id."""
        return order if order.count(":") >= 2 else order_key(self._channel, self._account, order)

    def head(self, kind: str, now: int, source: str) -> dict[str, Any]:
        """The metadata of the next record."""
        self._n += 1
        return head(kind, self._n, now, source)

    def command(self, told: Any, now: int) -> c.OrderCommand:
        """What a channel tells. ``told``: an OrderForm, Change, Edit, Cancel, Payment, Refund or Fulfilment."""
        if isinstance(told, Change):
            told = self._merged(told)
        via = "" if told.via == "poll" else told.event_id or f"event-{self._n + 1}"
        marks = {"order_key": self.key(told.order), "delivery_id": via}
        return self._make[type(told)](told, now, marks)

    def hold(self, told: Hold, action: str, now: int) -> c.HoldChanged:
        """A hold placed or released by hand, or by the channel."""
        marks = {"order_key": self.key(told.order), "delivery_id": ""}
        said = {"hold": told.hold, "action": action, "reason": told.reason, "actor": told.by}
        return self._fact(c.HoldChanged, f"hold/{told.hold}/{action}@{now}", now, marks, said, by=told.by)

    def reroute(self, told: Reroute, now: int) -> c.RerouteRequested:
        """A re-route by hand."""
        marks = {"order_key": self.key(told.order), "delivery_id": ""}
        said = {"depot": told.depot, "anew": told.anew, "reason": told.reason, "actor": told.by}
        return self._fact(c.RerouteRequested, f"reroute@{now}", now, marks, said, by=told.by)

    def at(self, text: str, now: int) -> int:
        """A moment told in a step; none: the step's own."""
        return moment(text, self._zone, now) if text else now

    def _fact(
        self, kind: type[F], key: str, now: int, marks: dict[str, Any], said: dict[str, Any], *, by: str = ""
    ) -> F:
        known = {**said, "version": 0}  # when it was told is no part of what was told
        marks = {**marks, "idempotency_key": key, "content_hash": content_hash(known)}
        person = by and ":" not in by
        source = f"operator:{by}" if person else f"{self._channel}:{self._account}"
        return kind(**self.head(kind.__name__, now, source), **marks, **said)

    def _merged(self, told: Change) -> OrderForm:
        changed = {text: v for text in told.__struct_fields__ if (v := getattr(told, text)) is not None}
        return msgspec.structs.replace(self._shown[self.key(told.order)], **changed)

    def _order(self, told: OrderForm, now: int, marks: dict[str, Any]) -> c.OrderCommand:
        key = self.key(told.order)
        self._shown[key] = told
        placed = self._first.setdefault(key, self.at(told.placed_at, now))
        order = _canonical(told, key, placed, self.at(told.updated_at, now), self._deliver_by(told, now))
        marks = {**marks, "idempotency_key": f"order@{order.version}", "content_hash": content_hash(order)}
        return c.OrderUpserted(
            **self.head("OrderUpserted", now, f"{self._channel}:{self._account}"), **marks, order=order
        )

    def _deliver_by(self, told: OrderForm, now: int) -> int | None:
        return self.at(told.deliver_by, now) if told.deliver_by else None

    def _units(self, key: str, lines: dict[str, int]) -> list[LineQty]:
        shown = self._shown.get(key)
        skus = dict(zip(line_ids(shown.lines), [form.sku for form in shown.lines], strict=True)) if shown else {}
        return [LineQty(k, skus.get(k, k), n) for k, n in lines.items()]

    def _cancel(self, told: Cancel, now: int, marks: dict[str, Any]) -> c.OrderCommand:
        lines = self._units(marks["order_key"], told.lines)
        said = {"version": now, "reason": told.reason, "lines": lines, "confirm": told.confirm}
        return self._fact(c.OrderCancelled, f"cancel@{now}", now, marks, said)

    def _edit(self, told: Edit, now: int, marks: dict[str, Any]) -> c.OrderCommand:
        key = marks["order_key"]
        said = {
            "version": now,
            "additions": self._units(key, told.added),
            "removals": self._units(key, told.removed),
        }
        return self._fact(c.OrderEdited, f"edit/{now}", now, marks, said)

    def _payment(self, told: Payment, now: int, marks: dict[str, Any]) -> c.OrderCommand:
        shown = self._shown.get(marks["order_key"])
        total = told.amount if told.amount is not None else (_total(shown) if shown else 0)
        said = {
            "transaction_id": told.id,
            "kind": told.kind,
            "status": told.status,
            "amount": total,
            "currency": shown.currency if shown else "EUR",
        }
        return self._fact(c.PaymentChanged, f"transaction/{told.id}/{told.status}", now, marks, said)

    def _refund(self, told: Refund, now: int, marks: dict[str, Any]) -> c.OrderCommand:
        units = self._units(marks["order_key"], told.lines)
        lines = [
            RefundLine(
                line_qty.line_id,
                line_qty.sku,
                line_qty.qty,
                told.amounts.get(line_qty.line_id, 0),
                restock=told.restock,
            )
            for line_qty in units
        ]
        said = {"refund_id": told.id, "amount": told.amount, "currency": "EUR", "lines": lines}
        return self._fact(c.RefundReported, f"refund/{told.id}", now, marks, said)

    def _fulfilment(self, told: Fulfilment, now: int, marks: dict[str, Any]) -> c.OrderCommand:
        said = {
            "fulfilment_id": told.id,
            "status": told.status,
            "lines": self._units(marks["order_key"], told.lines),
            "carrier": "",
            "tracking_number": told.tracking,
            "tracking_url": "",
        }
        return self._fact(c.FulfilmentReported, f"fulfilment/{told.id}@{now}", now, marks, said)


def _total(told: OrderForm) -> int:
    if told.total is not None:
        return told.total
    taxes = 0 if told.tax_included else sum(form.tax for form in told.lines) + told.shipping_tax
    return sum(form.qty * form.price - form.discount for form in told.lines) + told.shipping + taxes - told.discount


def _canonical(told: OrderForm, key: str, placed: int, version: int, deliver_by: int | None) -> Order:
    """The order as a connector would give it."""
    channel, account, id = key.split(":", 2)
    form = told.address
    address = Address(name=form.name, street1=form.street, postcode=form.postcode, city=form.city, country=form.country)
    billing = Address(country=told.billing_country) if told.billing_country else None
    key_ = customer_key(told.customer, told.phone, address)
    client = Client(key_, told.customer, told.phone, told.language, shipping_address=address, billing_address=billing)
    lines = [
        OrderLine(
            line_id,
            line_form.sku,
            line_form.qty,
            line_form.price,
            line_form.tax,
            line_form.discount,
            bundle_id=line_form.set,
            requires_shipping=line_form.requires_shipping,
            cancelled=line_form.cancelled,
            shipped=line_form.shipped,
        )
        for line_id, line_form in zip(line_ids(told.lines), told.lines, strict=True)
    ]
    return Order(
        key,
        channel,
        account,
        id,
        f"#{id}",
        placed,
        version,
        told.currency,
        told.payment,
        lines,
        client,
        Delivery(service_level=told.service, latest_delivery=deliver_by),
        total=_total(told),
        tags=told.tags,
        problems=[Found(code, code.partition(".")[0]) for code in told.problems],
        risk=told.risk,
        test=told.test,
        fulfilled_by=told.fulfilled_by,
        tax_included=told.tax_included,
        shipping_total=told.shipping,
        shipping_tax=told.shipping_tax,
        discount=told.discount,
        payments=[Paid(k, "card", n) for k, n in told.payments.items()],
    )
