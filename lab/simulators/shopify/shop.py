"""The simulated shop itself: its orders, what their customers do to them, and what an app may do through the Admin API.

It is as strict as the real one: no unit is fulfilled twice, a cancelled order is not fulfilled, a fulfilled one not cancelled. An attempt to
fulfil a unit again is answered with a user error and written down as a violation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from lab.simulators.catalogue import Product
from lab.simulators.ledger import EventLog
from lab.simulators.payments import Payments
from lab.simulators.timeline import Timeline, roll
from ops.clock import Clock

from .orders import SimFulfilment, SimOrder, SimRefund, make
from .rest_bodies import fulfilment_body, order_body, refund_body, share
from .webhooks import MINUTE, ShopCourier

__all__ = ["Shop", "UserErrors"]


class UserErrors(Exception):
    """What a mutation answers in ``userErrors``."""

    def __init__(self, field: list[str], message: str, code: str = "INVALID") -> None:
        super().__init__(message)
        self.errors = [{"field": field, "message": message, "code": code}]


class Shop:
    """Orders by id. All changes go through here: each is in the ledger before anybody is told."""

    def __init__(
        self,
        seed: int,
        products: Sequence[Product],
        courier: ShopCourier,
        now: Clock,
        *,
        payments: Payments,
        returns: float = 0.0,
        planned: int = 0,
    ) -> None:
        self.seed, self.products, self.now, self.courier = seed, products, now, courier
        self.payments = payments
        self.returns = returns
        self.ledger: EventLog = courier.ledger
        self.timeline: Timeline = courier.timeline
        self.orders: dict[int, SimOrder] = {}
        self.counts: Counter[str] = Counter()
        self.open_stories = 0
        self._planned = planned

    def open(self, orders: int, over_minutes: float) -> None:
        """Plan ``orders`` orders, evenly spread with jitter over so many minutes of the clock."""
        start = self.now()
        self._planned = orders
        for n in range(1, orders + 1):
            share = (n - 1 + roll(self.seed, "placed", n).random()) / max(1, orders)
            self.timeline.at(start + int(share * over_minutes * MINUTE), partial(self._placed, n))

    def _placed(self, n: int) -> None:
        self.place(n)

    def place(self, n: int) -> SimOrder:
        """The ``n``-th order comes in."""
        # Who orders late sends nothing back within a run: it would only make it longer.
        returns = self.returns if n <= self._planned * 0.6 else 0.0
        order = make(self.seed, n, self.products, self.now(), returns)
        self.orders[order.id] = order
        story = order.story
        lines = [
            {
                "line_id": str(line.id),
                "sku": line.product.sku,
                "qty": line.qty,
                "gross": line.qty * line.product.price_minor - line.discount,
            }
            for line in order.lines
        ]
        self.ledger.append(
            "order", order=order.id, name=f"#{order.number}", lines=lines, test=order.test, total=order.total
        )
        self.counts["orders"] += 1
        if order.financial_status == "paid":
            self._capture(order)
        late = (story.cancelled_after or 0.0) + 3.0 if story.create_is_late else 0.0
        self._tell(order, "create", ("orders/create",), extra_minutes=late)
        for after, change in (
            (story.paid_after, self._pay),
            (story.fixed_after, self._fix),
            (story.cancelled_after, self._cancel_by_customer),
            (story.part_after, self._part),
        ):
            if after:
                self.open_stories += 1
                self.timeline.at(order.created_at + int(after * MINUTE), partial(self._chapter, order, change))
        return order

    def _chapter(self, order: SimOrder, change: Callable[[SimOrder], None]) -> None:
        self.open_stories -= 1
        change(order)

    def send_back(self, order: SimOrder) -> None:
        """The customer wants to return something; set by ``shopify_returns``."""

    def tell(self, order: SimOrder, event: str, topic: str, body: dict[str, Any]) -> None:
        """A webhook about something of an order."""
        self.courier.deliver(topic, order.id, f"{order.id}/{event}/{order.changes}", msgspec.json.encode(body))

    def changed(self, order: SimOrder, kind: str, topics: tuple[str, ...] = ("orders/updated",), **fields: Any) -> None:
        """Write a change down, then tell it."""
        self._change(order, kind, **fields)
        self._tell(order, kind, topics)

    def _tell(self, order: SimOrder, event: str, topics: tuple[str, ...], *, extra_minutes: float = 0.0) -> None:
        """Webhooks of one event, all with the order as it is now."""
        body = msgspec.json.encode(order_body(order))
        for topic in topics:
            name = f"{order.id}/{event}/{order.changes}"
            self.courier.deliver(topic, order.id, name, body, extra_minutes=extra_minutes)

    def _change(self, order: SimOrder, kind: str, **fields: Any) -> None:
        order.touch(self.now())
        self.counts[kind] += 1
        self.ledger.append(kind, order=order.id, updated_at=order.updated_at, **fields)

    def _capture(self, order: SimOrder) -> None:
        self.payments.capture(str(order.id), str(order.payment), order.total)

    def _pay(self, order: SimOrder) -> None:
        if order.cancelled_at is None:
            order.financial_status = "paid"
            self._capture(order)
            self._change(order, "paid")
            self._tell(order, "paid", ("orders/paid", "orders/updated"))

    def _fix(self, order: SimOrder) -> None:
        if order.cancelled_at is None:
            order.address = {**order.address, "zip": order.right_zip}
            self._change(order, "address_fixed")
            self._tell(order, "fixed", ("orders/updated",))

    def _cancel_by_customer(self, order: SimOrder) -> None:
        if order.cancelled_at is None and not order.fulfilments:
            self.cancel(order, "customer")

    def cancel(self, order: SimOrder, reason: str) -> None:
        """All of it. Raises UserErrors where that can't be."""
        if order.cancelled_at is not None:
            raise UserErrors(["orderId"], "Order has already been cancelled", "INVALID")
        if order.fulfilments:
            raise UserErrors(["orderId"], "Cannot cancel an order that has fulfillments", "INVALID")
        order.cancelled_at, order.cancel_reason = self.now() // 1000 * 1000, reason
        paid = self.payments.left(str(order.id), str(order.payment))
        if paid:
            self.payments.refund(f"cancel-{order.id}", str(order.id), str(order.payment), paid, by="shop")
        order.financial_status = "refunded" if paid else "voided"
        self._change(order, "cancelled", reason=reason)
        self._tell(order, "cancelled", ("orders/cancelled", "orders/updated"))

    def _part(self, order: SimOrder) -> None:
        """The customer wants one unit less, of an order that has more than one and of which it has not shipped."""
        line = next((x for x in order.lines if x.remaining > 0 and x.group is None), None)
        if order.cancelled_at is not None or line is None or sum(x.remaining for x in order.lines) < 2:
            return
        cents = share(line, line.cancelled, 1)
        line.cancelled += 1
        refund = SimRefund(order.id * 10 + len(order.refunds), self.now(), [(line.id, 1)])
        if order.financial_status == "paid" and cents:
            self.payments.refund(f"part-{refund.id}", str(order.id), str(order.payment), cents, by="shop")
            refund.paid.append((order.payment, cents))
            order.financial_status = "partially_refunded"
        order.refunds.append(refund)
        self._change(order, "part_cancelled", line=str(line.id), sku=line.product.sku, qty=1)
        body = msgspec.json.encode(refund_body(order, refund))
        event = f"{order.id}/part/{order.changes}"
        self.courier.deliver("refunds/create", order.id, event, body)
        self._tell(order, "part", ("orders/updated",))

    def fulfil(self, order: SimOrder, lines: list[tuple[int, int]], tracking: dict[str, str]) -> SimFulfilment:
        """A fulfilment of (line id, units). Raises UserErrors, and writes a violation where units would be fulfilled twice."""
        for number, qty in lines:
            line = order.line(number)
            if line is None or qty < 1:
                raise UserErrors(["fulfillment"], "Invalid fulfillment order line item")
            if qty > line.remaining or order.cancelled_at is not None:
                self.counts["refused"] += 1
                if qty > line.qty - line.fulfilled:
                    self.ledger.violation(
                        "fulfilled twice", order=order.id, line=str(number), qty=qty, number=tracking.get("number", "")
                    )
                else:
                    self.ledger.append("refused", order=order.id, line=str(number), qty=qty)
                raise UserErrors(["fulfillment"], "Invalid fulfillment order line item quantity requested.")
        for number, qty in lines:
            line = order.line(number)
            if line is not None:
                line.fulfilled += qty
        made = SimFulfilment(
            order.id * 10 + len(order.fulfilments),
            self.now(),
            tracking.get("company", ""),
            tracking.get("number", ""),
            tracking.get("url", ""),
            lines,
        )
        order.fulfilments.append(made)
        if order.story.returned_after and len(order.fulfilments) == 1:
            self.open_stories += 1
            due = self.now() + int(order.story.returned_after * MINUTE)
            self.timeline.at(due, partial(self._chapter, order, self.send_back))
        shown = [{"line_id": str(i), "qty": n} for i, n in lines]
        self._change(order, "fulfilled", fulfilment=made.id, lines=shown, number=made.number, company=made.company)
        body = msgspec.json.encode(fulfilment_body(order, made))
        event = f"{order.id}/fulfilled/{order.changes}"
        self.courier.deliver("fulfillments/create", order.id, event, body)
        self._tell(order, "fulfilled", ("orders/updated",))
        return made
