"""`wharf orders` on a real ClickHouse (embedded) and a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner

from domain.records.commands import HoldChanged, OrderCancelled
from domain.records.values import StockMove
from ops.errors import UserError
from ops.operator import orders
from ops.servers.topics import create_topics
from schemas.codec import decode
from schemas.topics import ORDERS_EVENTS, ORDERS_IN, POOLS_EVENTS, Topic
from sinks.clickhouse.batches import Batch
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import Writer
from tests.sinks.events import order_event, pool_event, units
from wharf.cli import app

NOW = 1_795_428_000_000
DECISION = json.dumps({
    "rules": "v1", "decided_by": "fewest_parcels", "chosen": ["nl-1"],
    "candidates": [
        {"depot": "nl-1", "available": {"A": 5}, "day": "2026-11-23", "cost": 495},
        {"depot": "de-1", "refused": "country"},
    ],
})  # fmt: skip


@pytest.fixture
def client(clickhouse: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ClickHouse with three orders in it; the commands use it."""
    migrate(clickhouse)
    aid = "main/shopify:acme:1001/1"
    one = [
        order_event("1001", 1, "PLACED", lines=[units("L1", "A", 3)], amount=8997),
        order_event(
            "1001",
            2,
            "ALLOCATED",
            lines=[units("L1", "A", 3)],
            allocation_id=aid,
            depot="nl-1",
            decision=DECISION,
            cost=495,
        ),
        order_event("1001", 3, "HELD", status="HELD", reason="MANUAL: looks odd", actor="eve"),
    ]
    others = [
        order_event("7", 1, "PLACED", name="WEB-7"),
        order_event("7", 1, "PLACED", channel="bol", name="7"),
        order_event("8", 1, "PLACED", name="WEB-7"),
    ]
    events = [*one, *others]
    moves = [StockMove("A", "nl-1", "new", 0, -1, 5, 2)]
    back = msgspec.structs.replace(
        pool_event(1, "UNRESERVED"), order_key="shopify:acme:1001", allocation_id=aid, moves=moves
    )
    writer = Writer(clickhouse, list)
    writer.write([Batch(ORDERS_EVENTS.name, 0, 0, len(events) - 1, list(range(len(events))), list(events))])
    writer.write([Batch(POOLS_EVENTS.name, 0, 0, 0, [0], [back])])

    @contextmanager
    def opened(_: object) -> Iterator[Any]:
        yield clickhouse

    monkeypatch.setattr("ops.servers.endpoints.clickhouse_client", opened)
    return clickhouse


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["orders", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    "text", ["shopify:acme:1001", "1001", "#1001"], ids=["by key", "by the channel's id", "by its name"]
)
def test_an_order_is_found_by_its_key_the_channels_id_or_its_name(client: Any, text: str) -> None:
    assert orders.find(client, text) == "shopify:acme:1001"


def test_an_id_of_two_orders_names_both(client: Any) -> None:
    with pytest.raises(UserError, match="the id of 2 orders: say which, bol:acme:7, shopify:acme:7"):
        orders.find(client, "7")


def test_a_name_of_two_orders_names_both(client: Any) -> None:
    with pytest.raises(UserError, match="'WEB-7' is the name of 2 orders: say which, shopify:acme:7, shopify:acme:8"):
        orders.find(client, "WEB-7")


@pytest.mark.parametrize(("text", "hint"), [("100", "did you mean shopify:acme:1001"), ("zzz", "wharf orders list")])
def test_an_unknown_order_says_what_to_try(client: Any, text: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        orders.find(client, text)


def test_text_is_never_part_of_the_query(client: Any) -> None:
    with pytest.raises(UserError, match="no order"):
        orders.find(client, "' OR 1=1 --")


def test_show_prints_the_order_with_the_decision(client: Any) -> None:
    text = run("show", "1001")
    assert "shopify:acme:1001 (#1001)   HELD" in text
    assert "✓ nl-1: has 5 × A; hands over on 2026-11-23, cost 495" in text
    assert "✗ de-1: does not deliver to this country" in text
    assert "by preference: fewest parcels" in text
    assert "MANUAL since" in text


def test_show_json_is_one_object_with_quantities(client: Any) -> None:
    found = json.loads(run("show", "1001", "--json"))
    line = found["lines"][0]
    assert {k: line[k] for k in ("ordered", "open", "allocated")} == {"ordered": 3, "open": 1, "allocated": 2}
    assert found["allocations"][0]["decision"]["candidates"][1] == {"depot": "de-1", "refused": "country"}
    assert [m["type"] for m in found["timeline"]] == ["PLACED", "ALLOCATED", "HELD"]


def test_list_filters_by_status_and_limits(client: Any) -> None:
    assert [o["order_key"] for o in json.loads(run("list", "--json", "--status", "held"))["orders"]] == [
        "shopify:acme:1001"
    ]
    assert len(json.loads(run("list", "--json", "--limit", "2"))["orders"]) == 2
    assert [o["order_key"] for o in json.loads(run("list", "--json", "--channel", "bol"))["orders"]] == ["bol:acme:7"]
    assert "shopify:acme:1001" in run("list")


def test_what_a_person_should_look_at_is_listed_with_its_reason(clickhouse: Any, client: Any) -> None:
    why = "address, service or article changed too late: they go as they were (too late)"
    told = [
        order_event("9", 1, "EXCEPTION", depot="nl-1", reason=why),
        order_event("9", 2, "SHIPPED"),
        order_event("10", 1, "CANCEL_REJECTED", channel="bol", reason="shipped already"),
    ]
    Writer(clickhouse, list).write([Batch(ORDERS_EVENTS.name, 1, 0, 2, [0, 1, 2], told)])
    rows = json.loads(run("list", "--problems", "--json"))["orders"]
    assert {(r["order_key"], r["problem"], r["reason"]) for r in rows} == {
        ("shopify:acme:9", "EXCEPTION", why),
        ("bol:acme:10", "CANCEL_REJECTED", "shipped already"),
    }
    assert why in run("list", "--problems", "--channel", "shopify")
    assert run("list", "--problems", "--channel", "square").strip() == "nothing"
    with pytest.raises(UserError, match="leave out --status"):
        CliRunner().invoke(app, ["orders", "list", "--problems", "--status", "HELD"], catch_exceptions=False)


def test_a_status_that_is_none_is_refused(client: Any) -> None:
    with pytest.raises(UserError, match="--status LOST: there are RECEIVED"):
        CliRunner().invoke(app, ["orders", "list", "--status", "LOST"], catch_exceptions=False)


def test_without_execute_nothing_is_written(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "send", lambda *_: pytest.fail("written"))
    assert "nothing was done: add --execute" in run("hold", "1001", "--reason", "looks odd")
    said = json.loads(run("cancel", "1001", "--reason", "sold out", "--line", "L1=2", "--actor", "eve", "--json"))
    assert said["executed"] is False
    assert said["command"]["lines"] == [{"line_id": "L1", "sku": "A", "qty": 2}]
    assert (said["command"]["confirm"], said["command"]["source"]) == (True, "operator:eve")


@pytest.mark.parametrize("units", ["L9=1", "L1=4", "L1=0", "L1", "L1=x"])
def test_units_the_order_does_not_have_are_refused(client: Any, units: str) -> None:
    with pytest.raises(UserError, match=r"give LINE_ID=QTY, each line once; the order has L1 \(3 × A\)"):
        CliRunner().invoke(app, ["orders", "cancel", "1001", "--reason", "x", "--line", units], catch_exceptions=False)


def test_saying_it_twice_is_two_facts() -> None:
    one, two = (orders.hold("shopify:acme:1", "MANUAL", "place", "x", actor="eve", now=NOW) for _ in range(2))
    assert one.idempotency_key != two.idempotency_key
    assert one.content_hash == two.content_hash


@pytest.mark.parametrize("key", ["", "1001", "a:b", "a:b/c:1"])
def test_what_is_no_order_key_is_refused(key: str) -> None:
    with pytest.raises(UserError, match="is no order key"):
        orders.cancel(key, "x", [], actor="eve", now=NOW)


@pytest.mark.kafka
def test_executed_commands_are_written_to_the_orders_input(
    client: Any, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topic(f"{ORDERS_IN.name}.cli", "order key", None)
    create_topics(kafka, 1, topics=[topic])
    monkeypatch.setattr(orders, "ORDERS_IN", topic)
    monkeypatch.setenv("WHARF_KAFKA", kafka)
    assert "written to" in run(
        "release", "1001", "--hold", "FRAUD_RISK", "--reason", "known", "--actor", "eve", "--execute"
    )
    run("cancel", "shopify:acme:1001", "--reason", "sold out", "--execute")
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "orders-cli"})
    reader.assign([TopicPartition(topic.name, 0, 0)])
    found = reader.consume(2, 20)
    reader.close()
    release, cancel = (decode(m.value()) for m in found)
    assert isinstance(release, HoldChanged)
    assert (release.action, release.hold, release.actor, release.reason) == ("release", "FRAUD_RISK", "eve", "known")
    assert isinstance(cancel, OrderCancelled)
    assert (cancel.order_key, cancel.lines, cancel.confirm) == ("shopify:acme:1001", [], True)
    assert [m.key() for m in found] == [b"shopify:acme:1001"] * 2
    assert dict(found[0].headers())["ce_type"] == b"wharfinger.HoldChanged"


def test_brokers_that_do_not_answer_are_one_clear_error() -> None:
    command = orders.hold("shopify:acme:1", "MANUAL", "place", "x", actor="eve", now=NOW)
    kafka = {
        "bootstrap.servers": "127.0.0.1:9",
        "delivery.timeout.ms": "500",
        "linger.ms": "0",
        "request.timeout.ms": "400",
    }
    with pytest.raises(UserError, match=r"not written to wharf.orders.in at 127.0.0.1:9"):
        orders.send(command, kafka)


def test_rules_explain_tells_each_decision_with_its_candidates(client: Any) -> None:
    said = CliRunner().invoke(app, ["rules", "explain", "1001"], catch_exceptions=False).stdout
    assert "✗ de-1: does not deliver to this country" in said
    assert "→ ALLOCATED 3 × A at nl-1" in said
    told = json.loads(CliRunner().invoke(app, ["rules", "explain", "1001", "--json"], catch_exceptions=False).stdout)
    assert [d["decision"]["chosen"] for d in told["decisions"]] == [["nl-1"]]
    assert told["decisions"][0]["outcome"][0]["units"] == [{"sku": "A", "qty": 3}]


def test_a_reroute_names_the_depot_and_says_what_it_reaches(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "send", lambda *_: pytest.fail("written"))
    said = json.loads(run("reroute", "#1001", "--reason", "flood", "--from", "nl-1", "--actor", "eve", "--json"))
    command = said["command"]
    assert (command["type"], command["depot"], command["anew"]) == ("RerouteRequested", "nl-1", False)
    assert (command["reason"], command["actor"], command["source"]) == ("flood", "eve", "operator:eve")
    assert [(t["sku"], t["units"], t["depot"]) for t in said["touches"]] == [("A", 3, "nl-1")]
    with pytest.raises(UserError, match=r"--from x: shopify:acme:1001 has nothing there; it has nl-1"):
        CliRunner().invoke(app, ["orders", "reroute", "1001", "--reason", "r", "--from", "x"], catch_exceptions=False)


def test_units_may_be_named_by_sku_and_a_reason_is_needed(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "send", lambda *_: pytest.fail("written"))
    said = json.loads(run("cancel", "1001", "--reason", "x", "--line", "A=1", "--json"))
    assert said["command"]["lines"] == [{"line_id": "L1", "sku": "A", "qty": 1}]
    with pytest.raises(UserError, match="--reason is empty"):
        CliRunner().invoke(app, ["orders", "hold", "1001", "--reason", " "], catch_exceptions=False)
