"""The KPI views on events made by hand; every expectation is worked out by hand from docs/kpis.md."""

from __future__ import annotations

from typing import Any

import pytest

from domain.records.events import OrderEvent
from domain.records.values import ReturnedLine
from schemas.topics import ORDERS_EVENTS
from sinks.clickhouse.batches import Batch
from sinks.clickhouse.kpis import DIMENSIONS, KPIS, read
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import Writer
from tests.sinks.events import DAY, HOUR, START, order_event, units


@pytest.fixture
def kpi(clickhouse: Any) -> Any:
    """Load events, then ask a view: rows without their dimension, in the view's order."""
    migrate(clickhouse)
    loaded = 0

    def ask(view: str, events: list[OrderEvent], dimension: str = "all") -> list[tuple[Any, ...]]:
        nonlocal loaded
        offsets = list(range(loaded, loaded + len(events)))
        if events:
            Writer(clickhouse, list).write([Batch(ORDERS_EVENTS.name, 0, loaded, offsets[-1], offsets, list(events))])
        loaded += len(events)
        return [tuple(row.values())[1:] for row in read(clickhouse, dimension)[view]]

    return ask


def shipped(order: str, hours: float, *, seq: int = 5, **fields: Any) -> OrderEvent:
    return order_event(
        order,
        seq,
        "SHIPPED",
        **{
            "occurred_at": START + int(hours * HOUR),
            "complete": True,
            "depot": "nl-1",
            "allocation_id": f"main/shopify:acme:{order}/1",
            "shipment_id": f"s-{order}",
            **fields,
        },
    )


def allocated(order: str, ship_by: int | None = None, *, seq: int = 2, cost: int = 0, n: int = 1) -> OrderEvent:
    return order_event(
        order,
        seq,
        "ALLOCATED",
        allocation_id=f"main/shopify:acme:{order}/{n}",
        ship_by=ship_by,
        cost=cost,
        depot="nl-1",
    )


def test_turnaround_runs_from_placed_to_the_shipped_that_completes_the_order(kpi: Any) -> None:
    events = [
        shipped("1", 2),
        shipped("2", 4),
        shipped("3", 10),
        shipped("4", 99, complete=False),  # part of an order: still under way
        shipped("1", 50, seq=9),  # complete again after an edit: the first counts
    ]
    # sorted 2, 4, 10: the median is 4; p95 lies at rank 0.95 × 2 = 1.9: 4 + 0.9 × 6 = 9.4
    assert kpi("kpi_turnaround", events) == [("", 3, 4.0, pytest.approx(9.4))]


def test_turnaround_by_channel_depot_and_day_of_shipping(kpi: Any) -> None:
    events = [shipped("1", 2), shipped("2", 30, depot="nl-2"), shipped("3", 6, channel="bol")]
    assert kpi("kpi_turnaround", events, "channel") == [("bol", 1, 6.0, 6.0), ("shopify", 2, 16.0, pytest.approx(28.6))]
    assert kpi("kpi_turnaround", [], "depot") == [("nl-1", 2, 4.0, pytest.approx(5.8)), ("nl-2", 1, 30.0, 30.0)]
    assert [row[:2] for row in kpi("kpi_turnaround", [], "day")] == [("2026-11-23", 2), ("2026-11-24", 1)]


def test_on_time_is_judged_by_the_promise_made_at_allocation(kpi: Any) -> None:
    events = [
        allocated("1", START + 5 * HOUR),
        shipped("1", 5),  # to the millisecond: on time
        allocated("2", START + 5 * HOUR),
        shipped("2", 5 + 1 / 3_600_000),  # a millisecond late
        allocated("3", START + 9 * HOUR),
        shipped("3", 1, seq=3, complete=False),
        shipped("3", 10, seq=4),  # its last part is late
        allocated("4", START + HOUR),  # not shipped yet
        allocated("5", START + HOUR, seq=2),
        allocated("5", START + 9 * HOUR, seq=3),  # told again with a later promise: the first counts
        shipped("5", 2),
    ]
    assert kpi("kpi_on_time", events) == [("", 4, 1, 0.25)]


def test_accuracy_counts_completed_orders_that_nobody_had_to_touch(kpi: Any) -> None:
    def completed(order: str, seq: int = 9) -> OrderEvent:
        return order_event(order, seq, "COMPLETED", occurred_at=START + DAY)

    events = [
        shipped("1", 1),
        completed("1"),
        shipped("2", 1),
        order_event("2", 3, "SHORT_PICKED", intervention=True),
        completed("2"),
        shipped("3", 1),
        completed("3"),
        order_event("3", 10, "CREDITED", intervention=True),  # by hand, after completion: still an intervention
        order_event("4", 1, "RELEASED", intervention=True),  # never completed: not counted
    ]
    assert kpi("kpi_accuracy", events) == [("", 3, 1, pytest.approx(1 / 3))]
    assert kpi("kpi_accuracy", [], "day") == [("2026-11-24", 3, 1, pytest.approx(1 / 3))]


def test_return_rate_belongs_to_the_month_the_goods_left(kpi: Any) -> None:
    def received(order: str, line: str, sku: str, qty: int, at: int) -> OrderEvent:
        return order_event(order, 8, "RMA_RECEIVED", occurred_at=at, lines=[units(line, sku, qty)])

    december = START + 10 * DAY
    events = [
        shipped("1", 1, lines=[units("1", "A", 3), units("2", "B", 1)]),
        received("1", "1", "A", 2, december),
        shipped("2", 24 * 10, lines=[units("1", "A", 5)]),
        received("3", "1", "A", 1, START),  # nothing of it ever shipped: no rate
    ]
    assert kpi("kpi_return_rate", events, "all") == [
        ("", "", 9, 2, pytest.approx(2 / 9)),
        ("", "2026-11", 4, 2, 0.5),
        ("", "2026-12", 5, 0, 0.0),
    ]
    assert kpi("kpi_return_rate", [], "sku") == [
        ("A", "", 8, 2, 0.25),
        ("A", "2026-11", 3, 2, pytest.approx(2 / 3)),
        ("A", "2026-12", 5, 0, 0.0),
        ("B", "", 1, 0, 0.0),
        ("B", "2026-11", 1, 0, 0.0),
    ]


def test_cost_per_shipment_counts_a_parcel_once_and_what_bundling_saved(kpi: Any) -> None:
    bundle = {"group_id": "g-1", "shipment_id": "s-b"}
    events = [
        allocated("1", cost=500),
        shipped("1", 1, cost=520),
        allocated("2", cost=500),
        shipped("2", 1, seq=4, cost=480, complete=False),
        shipped("2", 2, seq=5, cost=480),  # the same parcel told in two parts
        allocated("3", cost=500),
        shipped("3", 3, cost=400, **bundle),
        allocated("4", cost=450),
        shipped("4", 3, cost=300, **bundle),
    ]
    # alone: 520 and 480; bundled: one parcel of 700 for two orders that would have cost 500 + 450
    assert kpi("kpi_cost_per_shipment", events) == [
        ("", False, "EUR", 2, 2, 1000, 500.0, 0),
        ("", True, "EUR", 1, 2, 700, 700.0, 250),
    ]


def test_duplicates_and_stale_deliveries_are_counted(kpi: Any) -> None:
    events = [
        order_event("1", 2, "DUPLICATE"),
        order_event("1", 3, "DUPLICATE"),
        order_event("2", 2, "STALE", channel="bol"),
    ]
    assert kpi("kpi_duplicates", events, "channel") == [("bol", 0, 1), ("shopify", 2, 0)]


def test_an_event_that_is_in_twice_counts_once(kpi: Any, clickhouse: Any) -> None:
    event = shipped("1", 2, lines=[units("1", "A", 3)], cost=100)
    assert kpi("kpi_turnaround", [event, event]) == [("", 1, 2.0, 2.0)]
    assert kpi("kpi_return_rate", [], "all")[0] == ("", "", 3, 0, 0.0)
    assert clickhouse.command("SELECT count() FROM order_events FINAL") == 1


def test_every_view_answers_for_each_dimension_it_claims_and_nothing_is_empty_but_true(clickhouse: Any) -> None:
    migrate(clickhouse)
    for dimension, views in DIMENSIONS.items():
        assert read(clickhouse, dimension) == {v: [] for v in KPIS if v in views}


def came_back(order: str, seq: int, kind: str, hours: float, *lines: ReturnedLine, **fields: Any) -> OrderEvent:
    key = f"{fields.get('channel', 'shopify')}:acme:{order}/r1"
    at = START + int(hours * HOUR)
    return order_event(order, seq, kind, occurred_at=at, rma_id=key, rma_kind="return", returned=list(lines), **fields)


def test_returns_are_counted_by_the_reason_they_were_approved_with(kpi: Any) -> None:
    small, broken = ReturnedLine("1", "A", 2, "too small"), ReturnedLine("2", "B", 1, "broken")
    events = [
        came_back("1", 6, "RMA_CREATED", 1, small, broken),
        came_back("2", 6, "RMA_CREATED", 1, ReturnedLine("1", "A", 1, "too small"), channel="bol"),
        came_back("3", 6, "RETURN_DECLINED", 1, small),
    ]
    assert kpi("kpi_return_reasons", events) == [("", "broken", 1, 1), ("", "too small", 2, 3)]
    assert kpi("kpi_return_reasons", [], "sku") == [("A", "too small", 2, 3), ("B", "broken", 1, 1)]
    assert kpi("kpi_return_reasons", [], "channel")[0] == ("bol", "too small", 1, 1)


def test_inspections_count_units_where_they_were_put(kpi: Any) -> None:
    events = [
        came_back(
            "1",
            7,
            "RETURN_INSPECTED",
            30,
            ReturnedLine("1", "A", 1, disposition="RESTOCK", depot="nl-2"),
            ReturnedLine("1", "A", 1, disposition="B_GRADE"),
            depot="nl-1",
        ),
        came_back("2", 7, "RETURN_INSPECTED", 2, ReturnedLine("1", "A", 3, disposition="RESTOCK"), depot="nl-1"),
    ]
    assert kpi("kpi_dispositions", events) == [("", "B_GRADE", 1), ("", "RESTOCK", 4)]
    assert kpi("kpi_dispositions", [], "depot") == [
        ("nl-1", "B_GRADE", 1),
        ("nl-1", "RESTOCK", 3),
        ("nl-2", "RESTOCK", 1),
    ]
    assert kpi("kpi_dispositions", [], "day")[0] == ("2026-11-23", "RESTOCK", 3)


def test_the_time_to_credit_runs_from_the_first_receipt_to_the_last_credit(kpi: Any) -> None:
    events = [
        came_back("1", 6, "RMA_RECEIVED", 10),
        came_back("1", 7, "RMA_RECEIVED", 20),
        came_back("1", 8, "CREDITED", 12),
        came_back("1", 9, "CREDITED", 40),
        came_back("2", 6, "RMA_RECEIVED", 1),
        came_back("2", 7, "CREDITED", 3),
        came_back("3", 6, "RMA_RECEIVED", 1),  # not credited yet
        came_back("4", 6, "CREDITED", 1),  # a claim: nothing was received
    ]
    assert kpi("kpi_time_to_credit", events) == [("", 2, 16.0, pytest.approx(28.6))]
    assert kpi("kpi_time_to_credit", [], "day") == [("2026-11-23", 1, 2.0, 2.0), ("2026-11-24", 1, 30.0, 30.0)]


def test_recovered_value_is_what_the_goods_are_worth_by_what_was_credited(kpi: Any) -> None:
    events = [
        came_back("1", 6, "RETURN_INSPECTED", 1, ReturnedLine("1", "A", 1, value=600), ReturnedLine("2", "B", 1)),
        came_back("1", 7, "CREDITED", 2, ReturnedLine("1", "A", 1, amount=1000), ReturnedLine("2", "B", 1, amount=500)),
        came_back("2", 6, "RETURN_INSPECTED", 1, ReturnedLine("1", "A", 1, value=70), currency="JPY"),
    ]
    assert kpi("kpi_recovered_value", events) == [("", "EUR", 2, 1500, 600, 0.4), ("", "JPY", 1, 0, 70, 0.0)]
    assert kpi("kpi_recovered_value", [], "sku")[:2] == [("A", "EUR", 1, 1000, 600, 0.6), ("A", "JPY", 1, 0, 70, 0.0)]
