"""What holds after every step of every scenario, whether it is expected or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from domain.money import LineValue, line_value
from domain.order.captures import captured
from domain.order.family import root_of
from domain.order.ledger import ledger
from domain.order.state.order import OrderState
from domain.order.state.reported import CancelRefund
from domain.order.state.returns import CreditFact
from domain.order.state.status import status
from domain.pool.state import PoolOrder, SkuStock, WaveGroup
from domain.pool.view import MemoryPool

from .aggregates import Fold

__all__ = ["broken"]

BUCKETS = ("open", "requested", "backordered", "allocated", "picked", "shipped", "cancelled")


def broken(fold: Fold) -> Iterator[tuple[str, str]]:
    """Every law that does not hold: the law, and what is so instead."""
    for name, view in fold.pools.items():
        yield from _stock(name, view)
        yield from _waves(fold, name, view)
    for key in fold.states:
        yield from _order(fold, key)
    yield from _families(fold)


def _stock(name: str, view: MemoryPool) -> Iterator[tuple[str, str]]:
    for kind, sku in list(view.data):
        stock = view.load(SkuStock, sku) if kind == "s" else None
        for row in stock.rows if stock else ():
            if not 0 <= row.reserved <= row.on_hand:
                where = f"{sku} at {row.depot} in pool {name}"
                yield "0 ≤ reserved ≤ on hand", f"{where}: {row.reserved} reserved of {row.on_hand}"


def _waves(fold: Fold, name: str, view: MemoryPool) -> Iterator[tuple[str, str]]:
    """Whoever waits for a wave waits in one group, wants its units, and is not held."""
    waiting = {
        (kept.key, pool_allocation.id): pool_allocation.waits_in
        for kept in _orders(view)
        for pool_allocation in kept.allocations
        if pool_allocation.waits_in
    }
    groups = {id: group for kind, id in list(view.data) if kind == "w" and (group := view.load(WaveGroup, id))}
    members = {
        (group_member.order_key, group_member.allocation_id): id
        for id, group in groups.items()
        for group_member in group.members
    }
    if waiting != members:
        yield (
            "who waits for a wave is in its group",
            f"pool {name}: {sorted(waiting)} wait, {sorted(members)} are in groups",
        )
    for key, allocation_id in members:
        order = fold.state(key)
        allocation = next((a for a in order.allocations if a.id == allocation_id), None) if order else None
        if order is None or allocation is None or order.holds or not any(line.live for line in allocation.lines):
            yield "no held or cancelled order waits for a wave", f"{allocation_id} in pool {name}"


def _orders(view: MemoryPool) -> list[PoolOrder]:
    return [kept for kind, key in list(view.data) if kind == "o" and (kept := view.load(PoolOrder, key))]


def _order(fold: Fold, key: str) -> Iterator[tuple[str, str]]:
    order = fold.state(key)
    if order is None:
        return
    told = next((event.status for event in reversed(fold.made.events) if event.order_key == key), "")
    if told != status(order):
        yield "the newest event says where the order stands", f"{key} is {status(order)}, its newest event says {told}"
    yield from _money(order)
    live, waits = Counter[str](), Counter[str]()
    for view in fold.pools.values():
        kept = view.load(PoolOrder, key)
        for alloc_line in [x for allocation in kept.allocations for x in allocation.lines] if kept else []:
            live[alloc_line.line_id] += alloc_line.live
        for waiting_line in [w for request in kept.requests for w in request.lines] if kept else []:
            waits[waiting_line.line_id] += waiting_line.qty
    for line in order.lines:
        units = {text: getattr(line, text) for text in BUCKETS}
        if min(units.values()) < 0 or sum(units.values()) != line.ordered:
            yield "each unit is in exactly one place", f"{key} line {line.line_id}: {line.ordered} ordered, {units}"
        if live[line.line_id] != line.allocated + line.picked or waits[line.line_id] != line.backordered:
            theirs = f"the pool has {live[line.line_id]} reserved, {waits[line.line_id]} waiting"
            yield "an order and its pool agree", f"{key} line {line.line_id}: {units}; {theirs}"


def _paid(order: OrderState) -> list[CreditFact | CancelRefund]:
    """What an order had paid back at its word; by hand a person may pay more, and what moved to another order of the family went to nobody."""
    rmas = order.book.rmas if order.book else []
    paid: list[CreditFact | CancelRefund] = [
        refund for refund in order.paid_back.values() if not (refund.failed or refund.moved)
    ]
    return paid + [
        credit for rma in rmas for credit in rma.credits if credit.sent and credit.status not in ("MANUAL", "REFUSED")
    ]


def _money(order: OrderState) -> Iterator[tuple[str, str]]:
    """Credits, and what cancelled units have the channel pay back, never exceed what was paid for a line, nor its tax."""
    paid = _paid(order)
    if order.header is None or not paid:
        return
    book, taken_off = ledger(order), _taken_off(order)
    for line in order.lines:
        line_id, value = line.line_id, _sum(book.value[line.line_id], taken_off[line.line_id])
        gross = sum(amount for credit in paid for k, _, amount, _ in credit.lines if k == line_id)
        tax = sum(number for credit in paid for k, _, _, number in credit.lines if k == line_id)
        if gross > value.gross or tax > value.tax:
            yield (
                "credits of a line ≤ what was paid for it",
                f"{order.key} {line_id}: {gross} ({tax}) of {value.gross} ({value.tax})",
            )


def _families(fold: Fold) -> Iterator[tuple[str, str]]:
    """A family of orders (one, its exchanges, theirs) pays back no more than it took: by payment, and in all."""
    families: dict[str, list[OrderState]] = {}
    for key in fold.states:
        order = fold.state(key)
        if order is not None and order.header is not None:
            families.setdefault(root_of(order), []).append(order)
    for root, members in families.items():
        if any(_paid(member) for member in members):
            yield from _family(root, members)


def _family(root: str, members: list[OrderState]) -> Iterator[tuple[str, str]]:
    taken, back = Counter[str](), Counter[str]()
    in_all = 0
    for order in members:
        own = [
            found
            for found in captured(order)
            if not (order.header and order.header.exchange_for) or found[0] in order.payments
        ]
        taken.update({k: n for k, _, n in own})
        in_all += sum(n for *_, n in own) if order.header and order.header.exchange_for else ledger(order).cap
        for credit in _paid(order):
            back.update(dict(credit.payments))
            in_all -= credit.amount
    if in_all < 0:
        yield "credits ≤ what was paid", f"{root}: {-in_all} more than was paid"
    for payment, n in back.items():
        if n > taken[payment]:
            yield "credits to a payment ≤ what it captured", f"{root} {payment}: {n} of {taken[payment]}"


def _taken_off(order: OrderState) -> dict[str, LineValue]:
    """By line: cancelled units paid back that the shop has taken off since. What was paid for them stands nowhere but in their price."""
    included = order.header.tax_included if order.header else True
    found = {}
    for line in order.lines:
        back = sum(
            n
            for refund in order.paid_back.values()
            if not refund.failed
            for k, n, *_ in refund.lines
            if k == line.line_id
        )
        units = max(0, back - (line.wanted or line.ordered))
        found[line.line_id] = line_value(units, line.unit_price, 0, line.tax if units else 0, included)
    return found


def _sum(line_value: LineValue, b: LineValue) -> LineValue:
    return LineValue(line_value.qty + b.qty, line_value.gross + b.gross, line_value.tax + b.tax)
