"""The oracles that ask ClickHouse, on a real one (chdb over HTTP), filled by the product's own rows and then tampered with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lab.demo.checks import events_once, kpis
from lab.demo.checks.clickhouse import ClickHouse, ClickHouseError
from lab.demo.checks.evidence import Evidence
from lab.demo.checks.log import SCHEMAS, Entry
from ops.servers.clickhouse import Engine, ReadOnlyServer
from ops.servers.ports import free_port
from sinks.clickhouse.migrate import migrate


def _row(entry: Entry) -> dict[str, Any]:
    row = {k: v for k, v in entry.data.items() if k not in ("lines", "returned")}
    for field in events_once.RETURNED:
        row[f"returned.{field}"] = [unit[field] for unit in entry.data["returned"]]
    for field in ("line_id", "sku", "qty", "amount"):
        row[f"lines.{field}"] = [line[field] for line in entry.data["lines"]]
    return row | {"kafka_partition": entry.partition, "kafka_offset": entry.offset}


class Server:
    """A database of the session's ClickHouse, and its HTTP interface."""

    def __init__(self, engine: Engine, client: Any) -> None:
        self.client = client
        migrate(client)
        self.http = ReadOnlyServer(engine, free_port())
        self.http.start()
        self.ask = ClickHouse(self.http.url.replace("//", f"//wharf:{self.http.token}@"), database=client.database)

    def fill(self, entries: list[Entry]) -> None:
        self.client.command("TRUNCATE TABLE order_events")
        self.add(entries)

    def add(self, entries: list[Entry]) -> None:
        rows = [_row(entry) for entry in entries]
        self.client.insert("order_events", [list(row.values()) for row in rows], column_names=list(rows[0]))


@pytest.fixture
def server(engine: Engine, clickhouse: Any) -> Iterator[Server]:
    s = Server(engine, clickhouse)
    yield s
    s.http.stop()


@pytest.fixture
def filled(server: Server, sound: Evidence) -> Evidence:
    server.fill(sound.order_events)
    return replace(sound, rows=server.ask.rows)


def test_the_columns_cover_every_field_of_the_schemas() -> None:
    for name, columns in (("OrderEvent", events_once.ORDER), ("PoolEvent", events_once.POOL)):
        fields = json.loads((SCHEMAS / "avro" / f"{name}.avsc").read_text())["fields"]
        assert {f["name"] for f in fields} == {c.partition(".")[0] for c in columns}


def test_equal_logs_and_tables_pass(filled: Evidence) -> None:
    finding = events_once.check(filled)
    assert finding.ok, finding.offenders
    assert finding.figures["order_events"] == len(filled.order_events)


def test_a_row_that_is_missing_is_reported(server: Server, filled: Evidence) -> None:
    server.fill(filled.order_events[:-1])
    finding = events_once.check(filled)
    assert "order_events: 16 rows in ClickHouse, 17 records in the log" in finding.offenders


def test_a_row_that_is_there_twice_is_reported(server: Server, filled: Evidence) -> None:
    again = filled.order_events[3]
    server.add([replace(again, offset=again.offset + 1000)])
    finding = events_once.check(filled)
    assert "order_events: 18 rows in ClickHouse, 17 records in the log" in finding.offenders


@pytest.mark.parametrize("change", [{"cost": 451}, {"reason": "x"}, {"ship_by": 1}, {"complete": True}], ids=str)
def test_a_row_with_another_value_is_reported(server: Server, filled: Evidence, change: dict[str, Any]) -> None:
    events = list(filled.order_events)
    events[4] = replace(events[4], data=events[4].data | change)
    server.fill(events)
    finding = events_once.check(filled)
    assert finding.offenders == ["order_events: partition 0 has other rows in ClickHouse than in the log"]


def test_an_event_that_is_twice_in_the_log_is_reported(filled: Evidence) -> None:
    doubled = replace(filled, order_events=[*filled.order_events, filled.order_events[0]])
    assert any("is 2 times in the log" in text for text in events_once.check(doubled).offenders)


def test_kpis_equal_their_recomputation(filled: Evidence) -> None:
    finding = kpis.check(filled)
    assert finding.ok, finding.offenders
    assert finding.figures["kpi_turnaround"] >= 4


def test_recomputed_turnaround_is_by_hand(sound: Evidence) -> None:
    """3 h and 7 h: the median lies between, p95 at 95 % of the way."""
    table = kpis.turnaround(kpis.by_order(sound.order_events))
    assert table[("all", "")] == pytest.approx({"orders": 2, "p50_hours": 5.0, "p95_hours": 6.8})


def test_recomputed_on_time_is_by_hand(sound: Evidence) -> None:
    """Ship-by after 5 h: one of the two whole orders is late; the part of the waiting one left in time."""
    table = kpis.on_time(kpis.by_order(sound.order_events))
    assert table[("all", "")] == pytest.approx({"allocations": 3, "on_time": 2, "on_time_rate": 2 / 3})


@pytest.mark.parametrize(
    ("order", "change", "view"),
    [
        pytest.param(0, {"occurred_at": 1_795_500_000_000}, "kpi_turnaround", id="another time of shipping"),
        pytest.param(1, {"ship_by": 0}, "kpi_on_time", id="another promise"),
        pytest.param(0, {"intervention": True}, "kpi_accuracy", id="an intervention"),
        pytest.param(0, {"cost": 1}, "kpi_cost_per_shipment", id="another cost"),
        pytest.param(0, {"lines": []}, "kpi_return_rate", id="other units"),
    ],
)
def test_kpis_of_another_log_are_reported(filled: Evidence, order: int, change: dict[str, Any], view: str) -> None:
    """``order`` 0 changes the first order's SHIPPED, 1 its ALLOCATED."""
    events = list(filled.order_events)
    at = 2 if order == 0 else 1
    events[at] = replace(events[at], data=events[at].data | change)
    finding = kpis.check(replace(filled, order_events=events))
    assert any(text.startswith(view) for text in finding.offenders), finding.offenders


def test_a_refused_query_names_itself(server: Server) -> None:
    with pytest.raises(ClickHouseError, match="SELECT nonsense"):
        server.ask.rows("SELECT nonsense")
