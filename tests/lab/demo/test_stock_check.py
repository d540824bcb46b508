"""The stock oracle: silent on a sound log, loud on each kind of tampering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.demo.checks import stock
from lab.demo.checks.evidence import Evidence, Inspected, ShippedLine, Warehouse
from lab.demo.checks.log import Entry

REFERENCE = "main/shopify:acme:1/1"


def move(on_hand_delta: int, reserved_delta: int, on_hand: int, reserved: int) -> dict[str, Any]:
    return {
        "sku": "WH-1",
        "depot": "a",
        "quality": "new",
        "on_hand_delta": on_hand_delta,
        "reserved_delta": reserved_delta,
        "on_hand": on_hand,
        "reserved": reserved,
    }


def event(seq: int, kind: str, *moves: dict[str, Any]) -> Entry:
    data = {"pool": "main", "seq": seq, "type": kind, "moves": list(moves)}
    return Entry("wharf.pools.events", 0, seq, "main", "PoolEvent", data, {}, b"")


def report(key: str, kind: str, qty: int) -> Entry:
    data = {"idempotency_key": key, "kind": kind, "depot": "a", "sku": "WH-1", "quality": "new", "qty": qty}
    return Entry("wharf.pools.in", 0, 0, "main", "StockReported", data, {}, b"")


def sound() -> Evidence:
    """Ten counted, five received, four reserved, three shipped, one of the four found broken."""
    return Evidence(
        pool_events=[
            event(1, "STOCK_COUNTED", move(10, 0, 10, 0)),
            event(2, "RESERVED", move(0, 4, 10, 4)),
            event(3, "STOCK_RECEIVED", move(5, 0, 15, 4)),
            event(4, "SHORT_PICKED", move(-1, -1, 14, 3)),
            event(5, "SHIPPED", move(-3, -3, 11, 0)),
        ],
        pools_in=[report("count", "COUNT", 10), report("in", "RECEIPT", 5), report("in", "RECEIPT", 5)],
        warehouse=Warehouse(
            asked={("a", REFERENCE, "1"): 4},
            shipped=[ShippedLine("a", REFERENCE, "1", "WH-1", 3, "s1", "3S1")],
            written_off=Counter({("a", "WH-1"): 1}),
            shelf={("a", "WH-1"): 11},
        ),
    )


def without(e: Evidence, seq: int) -> Evidence:
    return replace(e, pool_events=[x for x in e.pool_events if x.data["seq"] != seq])


def with_event(e: Evidence, seq: int, new: Entry) -> Evidence:
    return replace(e, pool_events=[new if x.data["seq"] == seq else x for x in e.pool_events])


def test_a_sound_log_passes() -> None:
    finding = stock.check(sound())
    assert finding.ok, finding.offenders
    assert finding.figures["on_hand"] == 11
    assert finding.figures["shipped"] == 3


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        pytest.param(lambda e: without(e, 2), "event 3 where 2 was due", id="a lost event"),
        pytest.param(
            lambda e: replace(e, pool_events=[*e.pool_events, e.pool_events[-1]]),
            "event 5 where 6",
            id="a doubled event",
        ),
        pytest.param(
            lambda e: with_event(e, 5, event(5, "SHIPPED", move(-3, -3, 12, 0))),
            "the moves give 11/0",
            id="a wrong balance",
        ),
        pytest.param(
            lambda e: with_event(e, 2, event(2, "RESERVED", move(0, 11, 10, 11))),
            "11 reserved",
            id="reserved beyond stock",
        ),
        pytest.param(
            lambda e: with_event(e, 5, event(5, "SHIPPED", move(-20, -3, -6, 0))), "-6 on hand", id="negative stock"
        ),
        pytest.param(
            lambda e: replace(e, pools_in=[*e.pools_in, report("more", "RECEIPT", 2)]),
            "STOCK_RECEIVED units at a/WH-1/new: 7 outside, 5 in the log",
            id="a receipt that never arrived",
        ),
        pytest.param(
            lambda e: replace(e, pools_in=[*e.pools_in, report("again", "COUNT", 99)]),
            "count of 99 units",
            id="a count that was not applied",
        ),
        pytest.param(
            lambda e: replace(e, warehouse=replace(e.warehouse, shipped=e.warehouse.shipped * 2)),
            "shipped units at a/WH-1/new: 6 outside, 3 in the log",
            id="a parcel that the log does not know",
        ),
        pytest.param(
            lambda e: replace(e, warehouse=replace(e.warehouse, shelf={("a", "WH-1"): 10})),
            "units on hand at a/WH-1/new: 10 outside, 11 in the log",
            id="a unit that is not on the shelf",
        ),
        pytest.param(
            lambda e: replace(e, warehouse=replace(e.warehouse, written_off=Counter())),
            "corrected units",
            id="a write-off without a broken unit",
        ),
        pytest.param(
            lambda e: replace(e, warehouse=replace(e.warehouse, violations=["oversold WH-1"])),
            "warehouse: oversold WH-1",
            id="the warehouse's own alarm",
        ),
    ],
)
def test_tampering_is_reported(tamper: Callable[[Evidence], Evidence], says: str) -> None:
    finding = stock.check(tamper(sound()))
    assert not finding.ok
    assert any(says in text for text in finding.offenders), finding.offenders


def with_returns() -> Evidence:
    """The same, and then: one unit came back as new, one as second choice, one broken, one that nobody knows whose it is."""
    e = sound()
    second, broken = ({**move(1, 0, 1, 0), "quality": quality} for quality in ("b_grade", "write_off"))
    reports = [report(f"r{n}", "RESTOCK", 1) for n in range(3)]
    reports[1].data["quality"], reports[2].data["quality"] = "b_grade", "write_off"
    return replace(
        e,
        pool_events=[
            *e.pool_events,
            event(6, "RESTOCKED", move(1, 0, 12, 0)),
            event(7, "RESTOCKED", second),
            event(8, "RESTOCKED", broken),
        ],
        pools_in=[*e.pools_in, *reports],
        warehouse=replace(
            e.warehouse,
            shelf={("a", "WH-1"): 13},
            b_grade={("a", "WH-1"): 1},
            binned={("a", "WH-1"): 1},
            inspected=[
                Inspected("a", "R1", "shopify:acme:1/r1", "1", "WH-1", 1, "RESTOCK"),
                Inspected("a", "R1", "shopify:acme:1/r1", "1", "WH-1", 1, "B_GRADE"),
                Inspected("a", "R1", "shopify:acme:1/r1", "1", "WH-1", 1, "WRITE_OFF"),
                Inspected("a", "U1", "", "", "WH-1", 1, "RESTOCK"),
            ],
        ),
    )


def test_returned_units_are_conserved_by_quality_and_a_parcel_nobody_knows_waits() -> None:
    finding = stock.check(with_returns())
    assert finding.offenders == []
    assert finding.figures["put_back"] == 3


def test_a_unit_put_back_twice_in_the_log_is_reported() -> None:
    e = with_returns()
    twice = replace(e, warehouse=replace(e.warehouse, inspected=e.warehouse.inspected[1:]))
    finding = stock.check(twice)
    assert any("units put back at a/WH-1/new: 0 outside, 1 in the log" in x for x in finding.offenders)


def test_a_resolved_parcel_is_expected_in_the_log() -> None:
    e = with_returns()
    data = {"type": "RETURN_RESOLVED", "order_key": "returns:a:U1"}
    resolved = Entry("wharf.orders.events", 0, 0, "returns:a:U1", "OrderEvent", data, {}, b"")
    finding = stock.check(replace(e, order_events=[resolved]))
    assert any("units put back at a/WH-1/new: 2 outside, 1 in the log" in x for x in finding.offenders)
