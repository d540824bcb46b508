"""`wharf returns` on a real ClickHouse (embedded): what it shows, what it would write, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.carriers.base import LabelRequest
from connectors.carriers.config import CarrierAccount
from connectors.carriers.local import LocalCarrier
from connectors.carriers.store import LabelStore
from connectors.carriers.tracking import tracking_number
from domain.records.commands import OrderCommand, ReturnDecided, ReturnInspected, ReturnRequested, ReturnResolved
from domain.records.values import Address, InspectedLine, LineQty, ReturnedLine, ReturnLine
from ops.errors import UserError
from schemas.topics import ORDERS_EVENTS
from sinks.clickhouse.batches import Batch
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import Writer
from tests.sinks.events import order_event, units
from wharf.cli import app

RMA = "shopify:acme:1001/r1"
KEY = "1f0a9c52-5b7e-5c31-9d10-6a2f4b8c9e01"
NUMBER = tracking_number(KEY)
ASKED = ReturnedLine("L1", "A", 2, "too small")


def back(seq: int, kind: str, status: str, *lines: ReturnedLine, **fields: Any) -> Any:
    base = {"rma_id": RMA, "rma_kind": "return", "rma_status": status, "returned": list(lines)}
    return order_event("1001", seq, kind, **{**base, **fields})


@pytest.fixture
def client(clickhouse: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A return with a credit and an open exception, and a parcel that nobody knows."""
    migrate(clickhouse)
    events = [
        order_event("1001", 1, "PLACED", lines=[units("L1", "A", 3)], amount=8997),
        order_event("1001", 2, "SHIPPED", lines=[units("L1", "A", 3)], allocation_id="x", complete=True),
        back(3, "RMA_CREATED", "APPROVED", ASKED, actor="rules"),
        back(4, "RETURN_LABELLED", "LABEL_SENT", tracking_number=NUMBER, carrier="Wharf Post", cost=495),
        back(5, "RMA_RECEIVED", "RECEIVED", ReturnedLine("L1", "A", 1), depot="nl-1"),
        back(6, "RETURN_INSPECTED", "INSPECTED", ReturnedLine("L1", "A", 1, disposition="RESTOCK", value=2999)),
        back(
            7,
            "RETURN_EXCEPTION",
            "INSPECTED",
            ReturnedLine("L1", "A", 1, disposition="MISSING"),
            reason="e1 MISSING: 1 × A",
        ),
        back(
            8,
            "RETURN_EXCEPTION",
            "INSPECTED",
            ReturnedLine("L1", "A", 1, disposition="UNEXPECTED"),
            reason="e2 UNEXPECTED: 1 × A",
        ),
        back(9, "RETURN_RESOLVED", "INSPECTED", reason="e2 UNEXPECTED refused", actor="eve"),
        back(10, "CREDITED", "CREDITED", ReturnedLine("L1", "A", 1, amount=2999, tax=521), amount=2999, tax=521),
        order_event("R-9", 1, "RETURN_EXCEPTION", channel="returns", reason="p1 UNKNOWN: nobody", rma_kind="parcel"),
        order_event("1003", 1, "RMA_CREATED", rma_id="shopify:acme:1003/r1", rma_kind="return", rma_status="APPROVED"),
        order_event("1003", 2, "RETURN_EXCEPTION", reason="p1 NO_RMA: the parcel names no return", rma_kind="parcel"),
        order_event("1003", 3, "RETURN_EXCEPTION", reason="p2 NO_RMA: the parcel names no return", rma_kind="parcel"),
        order_event("1003", 4, "RETURN_RESOLVED", reason="p1 accepted as shopify:acme:1003/r2", rma_kind="parcel"),
        order_event("2", 1, "PLACED"),
    ]
    Writer(clickhouse, list).write([Batch(ORDERS_EVENTS.name, 0, 0, len(events) - 1, list(range(len(events))), events)])

    @contextmanager
    def opened(_: object) -> Iterator[Any]:
        yield clickhouse

    monkeypatch.setattr("ops.servers.endpoints.clickhouse_client", opened)
    return clickhouse


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[OrderCommand]:
    """What was written to Kafka."""
    found: list[OrderCommand] = []
    monkeypatch.setattr("ops.operator.orders.send", lambda command, _: found.append(command))
    monkeypatch.setenv("WHARF_KAFKA", "127.0.0.1:1")
    return found


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["returns", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("text", [RMA, "shopify:acme:1001", "1001", "#1001", NUMBER])
def test_a_return_is_found_by_its_id_its_order_or_its_label(text: str) -> None:
    (found,) = json.loads(run("show", text, "--json"))["returns"]
    assert (found["rma_id"], found["status"], found["credited"], found["tax"]) == (RMA, "CREDITED", 2999, 521)
    assert found["units"]["L1"] == {
        "sku": "A",
        "reason": "too small",
        "dispositions": {"RESTOCK": 1},
        "approved": 2,
        "received": 1,
        "inspected": 1,
        "credited": 1,
    }
    assert [x["reason"] for x in found["exceptions"] if x["open"]] == ["e1 MISSING: 1 × A"]


@pytest.mark.usefixtures("client")
def test_a_return_is_shown_to_people_with_money_in_its_currency() -> None:
    said = run("show", RMA)
    for part in (
        "29.99 EUR",
        f"Wharf Post {NUMBER}",
        "1 RESTOCK",
        "exception: e1 MISSING: 1 × A (open)",
        "exception: e2 UNEXPECTED: 1 × A (resolved)",
        "by rules",
    ):
        assert part in said


@pytest.mark.usefixtures("client")
def test_what_waits_for_a_person_is_listed_parcels_without_an_order_too() -> None:
    found = json.loads(run("list", "--exceptions", "--json"))["returns"]
    assert {r["name"] for r in found} == {RMA, "returns:acme:R-9", "shopify:acme:1003"}
    assert json.loads(run("list", "--status", "declined", "--json"))["returns"] == []
    assert "p1 UNKNOWN" in run("list")


@pytest.mark.usefixtures("client")
def test_nothing_is_written_without_execute(sent: list[OrderCommand]) -> None:
    said = run("request", "1001", "--line", "L1=1", "--reason", "too small", "--actor", "eve")
    assert "nothing was done: add --execute" in said
    assert sent == []


@pytest.mark.usefixtures("client")
def test_a_request_names_units_reason_and_who_asked(sent: list[OrderCommand]) -> None:
    run(
        "request",
        "1001",
        "--line",
        "A=1",
        "--reason",
        "too small",
        "--payer",
        "customer",
        "--actor",
        "eve",
        "--execute",
    )
    (command,) = sent
    assert isinstance(command, ReturnRequested)
    assert command.lines == [ReturnLine("L1", "A", 1, "too small")]
    assert (command.via, command.kind, command.label_payer, command.actor) == ("operator", "return", "customer", "eve")
    assert command.source == "operator:eve"


@pytest.mark.usefixtures("client")
def test_a_request_without_lines_is_for_all_that_shipped_and_did_not_come_back(sent: list[OrderCommand]) -> None:
    run("request", "1001", "--reason", "x", "--execute")
    (command,) = sent
    assert isinstance(command, ReturnRequested)
    assert [x.line_id for x in command.lines] == ["L1"]


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("decision", ["approve", "decline", "cancel"])
def test_a_decision_is_the_persons_with_a_reason(sent: list[OrderCommand], decision: str) -> None:
    run(decision, RMA, "--reason", "as agreed", "--actor", "eve", "--execute")
    (command,) = sent
    assert isinstance(command, ReturnDecided)
    assert (command.rma_id, command.decision, command.reason, command.actor) == (RMA, decision, "as agreed", "eve")


@pytest.mark.usefixtures("client")
def test_an_inspection_by_hand_names_each_units_disposition(sent: list[OrderCommand]) -> None:
    run("inspect", RMA, "--unit", "L1=1:restock", "--unit", "A=1:B_GRADE", "--depot", "nl-1", "--execute")
    (command,) = sent
    assert isinstance(command, ReturnInspected)
    assert command.lines == [InspectedLine("L1", "A", 1, "RESTOCK"), InspectedLine("L1", "A", 1, "B_GRADE")]
    assert (command.depot, command.receipt_id, command.rma_id) == ("nl-1", "by-hand", RMA)


@pytest.mark.usefixtures("client")
def test_a_receipt_by_hand(sent: list[OrderCommand]) -> None:
    run("receive", RMA, "--line", "L1=1", "--depot", "nl-1", "--receipt", "dock-7", "--execute")
    assert [(c.receipt_id, c.lines) for c in sent] == [("dock-7", [LineQty("L1", "A", 1)])]


@pytest.mark.usefixtures("client")
def test_an_unknown_parcel_goes_to_its_order_or_to_stock(sent: list[OrderCommand]) -> None:
    run("resolve", "returns:acme:R-9", "--action", "assign", "--to-order", "#1001", "--reason", "his", "--execute")
    run("resolve", "returns:acme:R-9", "--action", "inspect", "--unit", "B=1:RESTOCK", "--reason", "ours", "--execute")
    one, two = sent
    assert isinstance(one, ReturnResolved)
    assert isinstance(two, ReturnResolved)
    assert (one.order_key, one.to_order, one.rma_id) == ("returns:acme:R-9", "shopify:acme:1001", "")
    assert two.lines == [InspectedLine("", "B", 1, "RESTOCK")]


@pytest.mark.usefixtures("client")
def test_an_orders_parcel_without_an_rma_is_meant_by_the_orders_key(sent: list[OrderCommand]) -> None:
    said = run(
        "resolve", "shopify:acme:1003", "--action", "accept", "--unit", "A=1:RESTOCK", "--reason", "his", "--execute"
    )
    (command,) = sent
    assert isinstance(command, ReturnResolved)
    assert (command.order_key, command.rma_id, command.exception_id) == ("shopify:acme:1003", "", "")
    assert "lines=1 × A (RESTOCK)" in said
    (parcel,) = [r for r in json.loads(run("show", "1003", "--json"))["returns"] if not r["rma_id"]]
    assert [(x["id"], x["open"]) for x in parcel["exceptions"]] == [("p1", False), ("p2", True)]


@pytest.mark.usefixtures("client", "sent")
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["show", "nothing"], "no return 'nothing'"),
        (["request", "1001", "--line", "L9=1", "--reason", "x"], "--line L9=1: give LINE_ID=QTY"),
        (["request", "1001", "--reason", "x", "--kind", "exchange"], "--kind exchange and --exchange"),
        (["inspect", RMA, "--unit", "L1=1:FINE", "--depot", "d"], "one of RESTOCK"),
        (["inspect", RMA, "--depot", "d"], "--unit: say what was found"),
        (["approve", RMA, "--reason", "x", "--line", "Z=1"], "shopify:acme:1001/r1 has L1"),
        (["resolve", RMA, "--action", "assign", "--reason", "x"], "--to-order belong together"),
        (["resolve", RMA, "--action", "refunded", "--reason", "x"], "--reference"),
        (
            ["resolve", RMA, "--action", "retry", "--reason", "x"],
            "no credit waits for a person; what waits: e1 MISSING",
        ),
        (
            ["resolve", RMA, "--action", "refuse", "--reason", "x", "--exception", "e2"],
            "no open exception e2; what waits",
        ),
        (
            ["resolve", "shopify:acme:1003/r1", "--action", "credit", "--reason", "x"],
            "no open exception; nothing waits",
        ),
        (["approve", "1003", "--reason", "x"], "has 2 returns: say which, shopify:acme:1003/r1, shopify:acme:1003"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_option(arguments: list[str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        run(*arguments)


@pytest.mark.usefixtures("client")
async def test_the_label_of_a_return_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHARF_HOME", str(tmp_path))
    carrier = LocalCarrier(CarrierAccount(), LabelStore(tmp_path / "labels"))
    address = Address("A", "", "B 1", "", "1", "C", country="NL")
    label = await carrier.make(LabelRequest(KEY, RMA, "#1001", address, address, "merchant"))
    said = json.loads(run("label", RMA, "--out", str(tmp_path / "my.pdf"), "--json"))
    assert (tmp_path / "my.pdf").read_bytes() == label.pdf
    assert said["tracking_number"] == NUMBER
    assert said["link"].startswith(f"/labels/{KEY}.")
