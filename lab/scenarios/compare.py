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
        """Take the state as it is now."""
        return cls(*(len(getattr(fold.made, text)) for text in cls.__struct_fields__))


def compare(expected: Expect, world: World, since: Since) -> Iterator[Difference]:
    """Every difference between an expectation and the world as it stands."""
    made = world.fold.made
    for key, order in (expected.orders or {}).items():
        state = world.fold.state(world.facts.key(key))
        yield from _order(("orders", key), order, state, world)
    for depot, skus in (expected.stock or {}).items():
        for sku, row in skus.items():
            yield from _stock(("stock", depot, sku), row, world)
    for key, wanted in (expected.events or {}).items():
        mine = [event for event in made.events[since.events :] if event.order_key == world.facts.key(key)]
        yield from _list(("events", key), wanted, mine, _event)
    for key, effects in (expected.effects or {}).items():
        done = [effect for effect in made.effects[since.effects :] if effect.order_key == world.facts.key(key)]
        yield from _list(("effects", key), effects, done, partial(_effect, world))
    if expected.stock_events is not None:
        yield from _same(("stock_events",), expected.stock_events, _types(made.stock_events[since.stock_events :]))
    yield from _same(
        ("rejected",), expected.rejected or [], [rejected.code for rejected in made.rejected[since.rejected :]]
    )


def _types(events: Sequence[PoolEvent]) -> list[str]:
    return [event.type for event in events]


def _same(path: Path, expected: Any, actual: Any) -> Iterator[Difference]:
    if expected != actual:
        yield Difference(path, expected, actual)


# -- orders ------------------------------------------------------------------------------------------------------------
def _order(path: Path, expected: OrderExpect, order: OrderState | None, world: World) -> Iterator[Difference]:
    if order is None:
        yield Difference(path, "an order", "nothing is known of it")
        return
    header = order.header
    actual = {
        "status": status(order),
        "holds": sorted(order.holds),
        "refused": order.refused,
        "country": header.ship_to.country if header else "",
        "total": header.total if header else 0,
        "duplicates": order.duplicates,
        "stale": order.stale,
        "intervention": order.intervened,
    }
    for field, value in actual.items():
        if (wanted := getattr(expected, field)) is not None:
            yield from _same((*path, field), sorted(wanted) if field == "holds" else wanted, value)
    if expected.lines is not None:
        lines = {line.line_id: line for line in order.lines}
        yield from _same((*path, "lines"), sorted(expected.lines), sorted(lines))
        for line_id, units in expected.lines.items():
            if line_id in lines:
                yield from _units((*path, "lines", line_id), units, lines[line_id])
    yield from compare_returns(path, expected, order)
    if expected.allocations is not None:
        yield from _allocations((*path, "allocations"), expected.allocations, order, world)


def _units(path: Path, units: Units, line: Line) -> Iterator[Difference]:
    looked = [text for text in units.__struct_fields__ if text in BUCKETS or getattr(units, text) is not None]
    expected = {text: n for text in looked if (n := getattr(units, text)) or text not in BUCKETS}
    actual = {text: n for text in looked if (n := getattr(line, text)) or text not in BUCKETS}
    yield from _same(path, expected, actual)


def _allocations(path: Path, wanted: list[AllocationExpect], order: OrderState, world: World) -> Iterator[Difference]:
    if len(wanted) != len(order.allocations):
        yield Difference(
            path,
            [allocation_expect.depot for allocation_expect in wanted],
            [allocation_expect.depot for allocation_expect in order.allocations],
        )
        return
    for i, (expected, allocation) in enumerate(zip(wanted, order.allocations, strict=True)):
        actual: dict[str, Any] = {
            "depot": allocation.depot,
            "units": {line.line_id: line.live for line in allocation.lines if line.live},
            "status": allocation.status,
            "service": allocation.service,
            "carrier": allocation.carrier,
            "cost": allocation.cost,
            "replaces": int(allocation.replaces_id.rpartition("/")[2] or 0),
            "waits": allocation.waits,
            "bundled_with": _mates(allocation, order.key, world),
        }
        for field, value in actual.items():
            if (told := getattr(expected, field)) is not None:
                yield from _same(
                    (*path, i, field), {k: n for k, n in told.items() if n} if field == "units" else told, value
                )
        yield from _promise((*path, i), expected, allocation, world)


def _mates(allocation: Allocation, key: str, world: World) -> list[str]:
    """The other orders, by id, that have a pick order of the same bundle."""
    picks = [
        effect
        for effect in world.fold.made.effects
        if isinstance(effect, PickOrder) and allocation.group_id and effect.group_id == allocation.group_id
    ]
    return sorted({order.order_key.split(":", 2)[2] for order in picks if order.order_key != key})


def _promise(path: Path, expected: AllocationExpect, allocation: Allocation, world: World) -> Iterator[Difference]:
    for field in ("ship_by", "eta"):
        told, is_at, zone = (
            getattr(expected, field),
            shown(getattr(allocation, field), world.case.zone),
            world.case.zone,
        )
        if told is None:
            continue
        whole_day = len(told) == len("2026-11-23")
        if whole_day:
            yield from _same((*path, field), told, is_at[: len(told)])
        else:
            yield from _same((*path, field), shown(moment(told, zone, world.now), zone), is_at)


# -- stock -------------------------------------------------------------------------------------------------------------
def _stock(path: Path, expect: StockExpect, world: World) -> Iterator[Difference]:
    _, depot, sku = path
    rules = world.fold.rules("pools")
    view = world.fold.pools.get(rules.default_pool)
    stock = (view.load(SkuStock, str(sku)) if view else None) or SkuStock(str(sku))
    row: StockRow = row_of(stock, str(depot), expect.quality)
    b_grade = rules.returns.b_grade
    served = "b_grade" if b_grade.sellable and str(sku).endswith(b_grade.sku_suffix) else "new"
    free = (
        available(stock, compiled(rules).skus.safety(str(sku)), expect.quality).get(str(depot), 0)
        if expect.quality == served
        else 0
    )
    other = {text: row_of(stock, str(depot), text).on_hand for text in ("b_grade", "write_off")}
    for field, value in (("on_hand", row.on_hand), ("reserved", row.reserved), ("available", free), *other.items()):
        if (wanted := getattr(expect, field)) is not None:
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


def _looked(struct: msgspec.Struct, actual: dict[str, Any]) -> tuple[Any, Any]:
    fields = [text for text in actual if getattr(struct, text) is not None]
    return {field: getattr(struct, field) for field in fields}, {field: actual[field] for field in fields}


def _event(event_expect: EventExpect, event: OrderEvent) -> tuple[Any, Any]:
    units = {line.line_id: line.qty for line in event.lines}
    fields = {
        value: getattr(event, value)
        for value in ("status", "depot", "reason", "amount", "complete", "intervention", "actor", "cost")
    }
    fields |= {"tax": event.tax, "fees": event.fees, "found": found_by(event.returned)}
    return _looked(event_expect, {"units": units, "rules": event.rule_version, **fields})


def _message(message: CustomerMessage, world: World) -> dict[str, Any]:
    units: dict[str, int] = {}
    for line in message.lines:
        units[line.line_id] = units.get(line.line_id, 0) + line.qty
    return {
        "units": units,
        "tracking": ", ".join(parcel.tracking_number for parcel in message.parcels),
        "causes": [message_cause.type for message_cause in message.causes],
        "gives_up": shown(message.give_up_at, world.case.zone)[: len("2026-11-23 10:00")] if message.give_up_at else "",
        "label": message.label_url,
        "address": message.to,
        **{
            value: getattr(message, value)
            for value in ("kind", "template", "language", "eta", "eta_before", "amount", "tax")
        },
    }


def _effect(world: World, effect_expect: EffectExpect, effect: Effect) -> tuple[Any, Any]:
    ship_to, allocation = getattr(effect, "ship_to", None), getattr(effect, "allocation_id", "")
    return _looked(
        effect_expect,
        {
            "to": effect.target,
            "units": {u.line_id: u.qty for u in getattr(effect, "lines", [])},
            "allocation": int(allocation.rpartition("/")[2] or 0),
            "priority": getattr(effect, "priority", 0),
            "country": ship_to.country if ship_to else "",
            "reason": getattr(effect, "reason", ""),
            "bundle": getattr(effect, "group_size", 0),
            "tracking": getattr(effect, "tracking_number", ""),
            **money_of(effect),
            **(_message(effect, world) if isinstance(effect, CustomerMessage) else {}),
        },
    )
