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
    waiting = {(kept.key, a.id): a.waits_in for kept in _orders(view) for a in kept.allocations if a.waits_in}
    groups = {id: group for kind, id in list(view.data) if kind == "w" and (group := view.load(WaveGroup, id))}
    members = {(m.order_key, m.allocation_id): id for id, group in groups.items() for m in group.members}
    if waiting != members:
        yield (
            "who waits for a wave is in its group",
            f"pool {name}: {sorted(waiting)} wait, {sorted(members)} are in groups",
        )
    for key, allocation_id in members:
        s = fold.state(key)
        a = next((a for a in s.allocations if a.id == allocation_id), None) if s else None
        if s is None or a is None or s.holds or not any(x.live for x in a.lines):
            yield "no held or cancelled order waits for a wave", f"{allocation_id} in pool {name}"


def _orders(view: MemoryPool) -> list[PoolOrder]:
    return [kept for kind, key in list(view.data) if kind == "o" and (kept := view.load(PoolOrder, key))]


def _order(fold: Fold, key: str) -> Iterator[tuple[str, str]]:
    s = fold.state(key)
    if s is None:
        return
    told = next((e.status for e in reversed(fold.made.events) if e.order_key == key), "")
    if told != status(s):
        yield "the newest event says where the order stands", f"{key} is {status(s)}, its newest event says {told}"
    yield from _money(s)
    live, waits = Counter[str](), Counter[str]()
    for view in fold.pools.values():
        kept = view.load(PoolOrder, key)
        for x in [x for a in kept.allocations for x in a.lines] if kept else []:
            live[x.line_id] += x.live
        for w in [w for r in kept.requests for w in r.lines] if kept else []:
            waits[w.line_id] += w.qty
    for line in s.lines:
        units = {b: getattr(line, b) for b in BUCKETS}
        if min(units.values()) < 0 or sum(units.values()) != line.ordered:
            yield "each unit is in exactly one place", f"{key} line {line.line_id}: {line.ordered} ordered, {units}"
        if live[line.line_id] != line.allocated + line.picked or waits[line.line_id] != line.backordered:
            theirs = f"the pool has {live[line.line_id]} reserved, {waits[line.line_id]} waiting"
            yield "an order and its pool agree", f"{key} line {line.line_id}: {units}; {theirs}"


def _paid(s: OrderState) -> list[CreditFact | CancelRefund]:
    """What an order had paid back at its word; by hand a person may pay more, and what moved to another order of the family went to nobody."""
    rmas = s.book.rmas if s.book else []
    paid: list[CreditFact | CancelRefund] = [c for c in s.paid_back.values() if not (c.failed or c.moved)]
    return paid + [c for r in rmas for c in r.credits if c.sent and c.status not in ("MANUAL", "REFUSED")]


def _money(s: OrderState) -> Iterator[tuple[str, str]]:
    """Credits, and what cancelled units have the channel pay back, never exceed what was paid for a line, nor its tax."""
    paid = _paid(s)
    if s.header is None or not paid:
        return
    book, taken_off = ledger(s), _taken_off(s)
    for line in s.lines:
        line_id, value = line.line_id, _sum(book.value[line.line_id], taken_off[line.line_id])
        gross = sum(a for c in paid for k, _, a, _ in c.lines if k == line_id)
        tax = sum(t for c in paid for k, _, _, t in c.lines if k == line_id)
        if gross > value.gross or tax > value.tax:
            yield (
                "credits of a line ≤ what was paid for it",
                f"{s.key} {line_id}: {gross} ({tax}) of {value.gross} ({value.tax})",
            )


def _families(fold: Fold) -> Iterator[tuple[str, str]]:
    """A family of orders (one, its exchanges, theirs) pays back no more than it took: by payment, and in all."""
    families: dict[str, list[OrderState]] = {}
    for key in fold.states:
        s = fold.state(key)
        if s is not None and s.header is not None:
            families.setdefault(root_of(s), []).append(s)
    for root, members in families.items():
        if any(_paid(s) for s in members):
            yield from _family(root, members)


def _family(root: str, members: list[OrderState]) -> Iterator[tuple[str, str]]:
    taken, back = Counter[str](), Counter[str]()
    in_all = 0
    for s in members:
        own = [p for p in captured(s) if not (s.header and s.header.exchange_for) or p[0] in s.payments]
        taken.update({k: n for k, _, n in own})
        in_all += sum(n for *_, n in own) if s.header and s.header.exchange_for else ledger(s).cap
        for c in _paid(s):
            back.update(dict(c.payments))
            in_all -= c.amount
    if in_all < 0:
        yield "credits ≤ what was paid", f"{root}: {-in_all} more than was paid"
    for payment, n in back.items():
        if n > taken[payment]:
            yield "credits to a payment ≤ what it captured", f"{root} {payment}: {n} of {taken[payment]}"


def _taken_off(s: OrderState) -> dict[str, LineValue]:
    """By line: cancelled units paid back that the shop has taken off since. What was paid for them stands nowhere but in their price."""
    included = s.header.tax_included if s.header else True
    found = {}
    for line in s.lines:
        back = sum(n for c in s.paid_back.values() if not c.failed for k, n, *_ in c.lines if k == line.line_id)
        units = max(0, back - (line.wanted or line.ordered))
        found[line.line_id] = line_value(units, line.unit_price, 0, line.tax if units else 0, included)
    return found


def _sum(a: LineValue, b: LineValue) -> LineValue:
    return LineValue(a.qty + b.qty, a.gross + b.gross, a.tax + b.tax)
