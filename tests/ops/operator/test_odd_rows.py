"""One odd order never costs the list of the others: it is shown with what can be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.reading import moment
from schemas.topics import ORDERS_EVENTS
from sinks.clickhouse.batches import Batch
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import Writer
from tests.sinks.events import START, order_event, units
from wharf.cli import app

YEAR_0, YEAR_9999, FAR = -62_135_647_200_000, 253_402_300_799_999, 9_000_000_000_000_000
ODD = {"before": YEAR_0, "last": YEAR_9999, "far": FAR, "farther": -FAR}


@pytest.fixture
def client(clickhouse: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One plain order among odd ones, as they may have been stored before the edge looked at them."""
    migrate(clickhouse)
    events = [order_event("1", 1, "PLACED"), order_event("1", 2, "RMA_CREATED", rma_id="shopify:acme:1/r1")]
    for name, at in ODD.items():
        told = {"placed_at": at, "occurred_at": at, "name": "\x1b[2J\n#evil", "lines": [units("L", "A", 10**6)]}
        events.append(order_event(name, 1, "PLACED", amount=2**62, **told))
        events.append(order_event(name, 2, "EXCEPTION", ship_by=at, eta=at, reason="odd\x00", **told))
        events.append(order_event(name, 3, "RETURN_REQUESTED", rma_id=f"shopify:acme:{name}/r1", **told))
        events.append(order_event(name, 4, "SHIPPED", shipment_id="s", cost=2**61, **told))
    Writer(clickhouse, list).write([Batch(ORDERS_EVENTS.name, 0, 0, len(events) - 1, list(range(len(events))), events)])

    @contextmanager
    def opened(_: object) -> Iterator[Any]:
        yield clickhouse

    monkeypatch.setattr("ops.servers.endpoints.clickhouse_client", opened)
    return clickhouse


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_orders_list_shows_every_order(client: Any) -> None:
    lines = run("orders", "list").splitlines()
    assert len(lines) == 1 + 1 + len(ODD)
    assert all(any(f":{name} " in x for x in lines) for name in ("1", *ODD))
    assert len(json.loads(run("orders", "list", "--json"))["orders"]) == 1 + len(ODD)


def test_a_name_with_control_characters_neither_breaks_the_row_nor_reaches_the_terminal(client: Any) -> None:
    for shown in (run("orders", "list"), run("orders", "list", "--problems"), run("returns", "list")):
        assert "\x1b" not in shown
        assert "\x00" not in shown


def test_orders_list_problems_shows_every_problem(client: Any) -> None:
    assert len(run("orders", "list", "--problems").splitlines()) == 1 + len(ODD)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_order_can_be_looked_at(client: Any, name: str) -> None:
    assert f"shopify:acme:{name}" in run("orders", "show", f"shopify:acme:{name}")
    assert f"shopify:acme:{name}/r1" in run("returns", "show", f"shopify:acme:{name}")


def test_returns_list_shows_every_return(client: Any) -> None:
    shown = run("returns", "list")
    assert all(f"shopify:acme:{name}/r1" in shown for name in ("1", *ODD))


@pytest.mark.parametrize("by", ["all", "channel", "depot", "day", "sku"])
def test_the_figures_are_printed_all_the_same(client: Any, by: str) -> None:
    assert run("kpi", "--by", by)
    assert json.loads(run("kpi", "--by", by, "--json"))


def test_a_stored_time_is_read_to_the_millisecond() -> None:
    assert moment(START + 123) == datetime(2026, 11, 23, 0, 0, 0, 123_000)  # noqa: DTZ001 -- UTC, as the client gives it
    assert moment(None) is None
    assert (moment(-(2**63)), moment(2**63 - 1)) == (datetime.min, datetime.max)  # noqa: DTZ901
