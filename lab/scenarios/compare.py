"""What was expected against what is: every difference, with both sides as they would be written in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from domain.allocation.decide import compiled
from domain.order.state.order import Allocation, Line, OrderState
from domain.order.state.status import status
from domain.pool.state import SkuStock, StockRow
from domain.pool.stock import available, row_of
from domain.records.effects import CustomerMessage, Effect, PickOrder
from domain.records.events import OrderEvent, PoolEvent
from ops.yaml.source import Path

from .aggregates import Fold
from .compare_returns import compare_returns, found_by, money_of
from .difference import Difference
from .form_expect import AllocationExpect, EffectExpect, EventExpect, Expect, OrderExpect, StockExpect, Units
from .times import moment, shown
from .world import World

__all__ = ["Difference", "Since", "compare"]

BUCKETS = ("open", "requested", "backordered", "allocated", "picked", "shipped", "cancelled")


class Since(msgspec.Struct, frozen=True):
    """How many outputs there were at some time: what came later is what happened since."""

    events: int = 0
    stock_events: int = 0
    effects: int = 0
    rejected: int = 0

    @classmethod
    def of(cls, fold: Fold) -> Since:
        """Now."""
        return cls(*(len(getattr(fold.made, f)) for f in cls.__struct_fields__))


def compare(e: Expect, world: World, since: Since) -> Iterator[Difference]:
    """Every difference between an expectation and the world as it stands."""
    made = world.fold.made
    for key, order in (e.orders or {}).items():
        state = world.fold.state(world.facts.key(key))
        yield from _order(("orders", key), order, state, world)
    for depot, skus in (e.stock or {}).items():
        for sku, row in skus.items():
            yield from _stock(("stock", depot, sku), row, world)
    for key, wanted in (e.events or {}).items():
        mine = [x for x in made.events[since.events :] if x.order_key == world.facts.key(key)]
        yield from _list(("events", key), wanted, mine, _event)
    for key, effects in (e.effects or {}).items():
        done = [x for x in made.effects[since.effects :] if x.order_key == world.facts.key(key)]
        yield from _list(("effects", key), effects, done, partial(_effect, world))
    if e.stock_events is not None:
        yield from _same(("stock_events",), e.stock_events, _types(made.stock_events[since.stock_events :]))
    yield from _same(("rejected",), e.rejected or [], [x.code for x in made.rejected[since.rejected :]])


def _types(events: Sequence[PoolEvent]) -> list[str]:
    return [x.type for x in events]


def _same(path: Path, expected: Any, actual: Any) -> Iterator[Difference]:
    if expected != actual:
        yield Difference(path, expected, actual)


# -- orders ------------------------------------------------------------------------------------------------------------
def _order(path: Path, e: OrderExpect, s: OrderState | None, world: World) -> Iterator[Difference]:
    if s is None:
        yield Difference(path, "an order", "nothing is known of it")
        return
    h = s.header
    actual = {
        "status": status(s),
        "holds": sorted(s.holds),
        "refused": s.refused,
        "country": h.ship_to.country if h else "",
        "total": h.total if h else 0,
        "duplicates": s.duplicates,
        "stale": s.stale,
        "intervention": s.intervened,
    }
    for field, value in actual.items():
        if (wanted := getattr(e, field)) is not None:
            yield from _same((*path, field), sorted(wanted) if field == "holds" else wanted, value)
    if e.lines is not None:
        lines = {x.line_id: x for x in s.lines}
        yield from _same((*path, "lines"), sorted(e.lines), sorted(lines))
        for line_id, units in e.lines.items():
            if line_id in lines:
                yield from _units((*path, "lines", line_id), units, lines[line_id])
    yield from compare_returns(path, e, s)
    if e.allocations is not None:
        yield from _allocations((*path, "allocations"), e.allocations, s, world)


def _units(path: Path, e: Units, line: Line) -> Iterator[Difference]:
    looked = [f for f in e.__struct_fields__ if f in BUCKETS or getattr(e, f) is not None]
    expected = {f: n for f in looked if (n := getattr(e, f)) or f not in BUCKETS}
    actual = {f: n for f in looked if (n := getattr(line, f)) or f not in BUCKETS}
    yield from _same(path, expected, actual)


def _allocations(path: Path, wanted: list[AllocationExpect], s: OrderState, world: World) -> Iterator[Difference]:
    if len(wanted) != len(s.allocations):
        yield Difference(path, [a.depot for a in wanted], [a.depot for a in s.allocations])
        return
    for i, (e, a) in enumerate(zip(wanted, s.allocations, strict=True)):
        actual: dict[str, Any] = {
            "depot": a.depot,
            "units": {x.line_id: x.live for x in a.lines if x.live},
            "status": a.status,
            "service": a.service,
            "carrier": a.carrier,
            "cost": a.cost,
            "replaces": int(a.replaces_id.rpartition("/")[2] or 0),
            "waits": a.waits,
            "bundled_with": _mates(a, s.key, world),
        }
        for field, value in actual.items():
            if (told := getattr(e, field)) is not None:
                yield from _same(
                    (*path, i, field), {k: n for k, n in told.items() if n} if field == "units" else told, value
                )
        yield from _promise((*path, i), e, a, world)


def _mates(a: Allocation, key: str, world: World) -> list[str]:
    """The other orders, by id, that have a pick order of the same bundle."""
    picks = [x for x in world.fold.made.effects if isinstance(x, PickOrder) and a.group_id and x.group_id == a.group_id]
    return sorted({x.order_key.split(":", 2)[2] for x in picks if x.order_key != key})


def _promise(path: Path, e: AllocationExpect, a: Allocation, world: World) -> Iterator[Difference]:
    for field in ("ship_by", "eta"):
        told, is_at, zone = getattr(e, field), shown(getattr(a, field), world.case.zone), world.case.zone
        if told is None:
            continue
        whole_day = len(told) == len("2026-11-23")
        if whole_day:
            yield from _same((*path, field), told, is_at[: len(told)])
        else:
            yield from _same((*path, field), shown(moment(told, zone, world.now), zone), is_at)


# -- stock -------------------------------------------------------------------------------------------------------------
def _stock(path: Path, e: StockExpect, world: World) -> Iterator[Difference]:
    _, depot, sku = path
    rules = world.fold.rules("pools")
    view = world.fold.pools.get(rules.default_pool)
    stock = (view.load(SkuStock, str(sku)) if view else None) or SkuStock(str(sku))
    row: StockRow = row_of(stock, str(depot), e.quality)
    b = rules.returns.b_grade
    served = "b_grade" if b.sellable and str(sku).endswith(b.sku_suffix) else "new"
    free = (
        available(stock, compiled(rules).skus.safety(str(sku)), e.quality).get(str(depot), 0)
        if e.quality == served
        else 0
    )
    other = {q: row_of(stock, str(depot), q).on_hand for q in ("b_grade", "write_off")}
    for field, value in (("on_hand", row.on_hand), ("reserved", row.reserved), ("available", free), *other.items()):
        if (wanted := getattr(e, field)) is not None:
            yield from _same((*path, field), wanted, value)


# -- what happened -----------------------------------------------------------------------------------------------------
def _list(
    path: Path, wanted: Sequence[Any], actual: Sequence[Any], look: Callable[[Any, Any], tuple[Any, Any]]
) -> Iterator[Difference]:
    """The same things in the same order; where the types are, each in what is said of it."""
    names = [x if isinstance(x, str) else getattr(x, x.__struct_fields__[0]) for x in wanted]
    found = [x.type for x in actual]
    if names != found:
        yield Difference(path, names, found)
        return
    for i, (e, a) in enumerate(zip(wanted, actual, strict=True)):
        if not isinstance(e, str):
            yield from _same((*path, i), *look(e, a))


def _looked(e: msgspec.Struct, actual: dict[str, Any]) -> tuple[Any, Any]:
    fields = [f for f in actual if getattr(e, f) is not None]
    return {f: getattr(e, f) for f in fields}, {f: actual[f] for f in fields}


def _event(e: EventExpect, x: OrderEvent) -> tuple[Any, Any]:
    units = {u.line_id: u.qty for u in x.lines}
    fields = {
        f: getattr(x, f) for f in ("status", "depot", "reason", "amount", "complete", "intervention", "actor", "cost")
    }
    fields |= {"tax": x.tax, "fees": x.fees, "found": found_by(x.returned)}
    return _looked(e, {"units": units, "rules": x.rule_version, **fields})


def _message(x: CustomerMessage, world: World) -> dict[str, Any]:
    units: dict[str, int] = {}
    for u in x.lines:
        units[u.line_id] = units.get(u.line_id, 0) + u.qty
    return {
        "units": units,
        "tracking": ", ".join(p.tracking_number for p in x.parcels),
        "causes": [c.type for c in x.causes],
        "gives_up": shown(x.give_up_at, world.case.zone)[: len("2026-11-23 10:00")] if x.give_up_at else "",
        "label": x.label_url,
        "address": x.to,
        **{f: getattr(x, f) for f in ("kind", "template", "language", "eta", "eta_before", "amount", "tax")},
    }


def _effect(world: World, e: EffectExpect, x: Effect) -> tuple[Any, Any]:
    ship_to, allocation = getattr(x, "ship_to", None), getattr(x, "allocation_id", "")
    return _looked(
        e,
        {
            "to": x.target,
            "units": {u.line_id: u.qty for u in getattr(x, "lines", [])},
            "allocation": int(allocation.rpartition("/")[2] or 0),
            "priority": getattr(x, "priority", 0),
            "country": ship_to.country if ship_to else "",
            "reason": getattr(x, "reason", ""),
            "bundle": getattr(x, "group_size", 0),
            "tracking": getattr(x, "tracking_number", ""),
            **money_of(x),
            **(_message(x, world) if isinstance(x, CustomerMessage) else {}),
        },
    )
