"""A 3PL speaks of its own pick orders, depots and returns; of another's it is refused, and nothing changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.order.aggregate import handle
from domain.records import commands as c
from domain.records.values import InspectedLine, LineQty, OrderLine, ReturnLine
from domain.rules.ruleset import Depot, RuleSet

KEY = "shopify:acme:1001"
RMA = f"{KEY}/r1"
RULES = RuleSet("v1", depots=[Depot("A", "NL", wms="wms-a"), Depot("B", "DE")])


@pytest.fixture
def shipped(kit: Any) -> Any:
    desk = kit.Desk(RULES)
    desk.upsert(kit.snapshot(OrderLine("L1", "SKU-L1", 2, unit_price=1000)))
    desk.ship()
    return desk


@pytest.fixture
def returning(shipped: Any) -> Any:
    """Two units are expected back at depot A."""
    f = shipped.fact("ReturnRequested", "request/1", "h", "")
    shipped.send(
        c.ReturnRequested(
            **f, kind="return", via="operator", return_id="", lines=[ReturnLine("L1", "SKU-L1", 2)], exchange=[],
            label_payer="", actor="eve",
        )
    )  # fmt: skip
    if shipped.state.book.rmas[0].decision != "approved":
        f = shipped.fact("ReturnDecided", "decide/1", "h", "")
        shipped.send(c.ReturnDecided(**f, rma_id=RMA, decision="approve", reason="", actor="eve", lines=[]))
    assert (shipped.state.book.rmas[0].depot, shipped.state.book.rmas[0].decision) == ("A", "approved")
    return shipped


def by(desk: Any, source: str, command: c.OrderCommand) -> list[Any]:
    return desk.send(msgspec.structs.replace(command, source=source))


def scan(desk: Any) -> c.ShipmentTracked:
    return c.ShipmentTracked(
        **desk.head("ShipmentTracked"), order_key=KEY, idempotency_key="s1/DELIVERED", allocation_id=f"main/{KEY}/1",
        shipment_id="s1", status="DELIVERED", carrier="", tracking_number="", detail="", occurred_at=desk.now,
    )  # fmt: skip


def inspected(desk: Any, wms: str, depot: str, rma: str = RMA, key: str = KEY) -> c.ReturnInspected:
    return c.ReturnInspected(
        **desk.head("ReturnInspected"), order_key=key, idempotency_key=f"i/{wms}/{depot}", wms=wms, depot=depot,
        receipt_id="R1", rma_id=rma, tracking_number="", lines=[InspectedLine("L1", "SKU-L1", 2, "RESTOCK")],
        occurred_at=desk.now,
    )  # fmt: skip


def received(desk: Any, wms: str, depot: str) -> c.ReturnReceived:
    return c.ReturnReceived(
        **desk.head("ReturnReceived"), order_key=KEY, idempotency_key=f"r/{wms}/{depot}", wms=wms, depot=depot,
        receipt_id="R1", rma_id=RMA, tracking_number="", lines=[LineQty("L1", "SKU-L1", 2)], occurred_at=desk.now,
    )  # fmt: skip


@pytest.mark.parametrize("way", ["webhook", "poll"])
def test_a_scan_of_another_3pls_pick_order_is_refused_and_changes_nothing(shipped: Any, refused: Any, way: str) -> None:
    before = msgspec.msgpack.encode(shipped.state)
    with refused("partner.foreign"):
        by(shipped, f"threepl:B/{way}", scan(shipped))
    assert msgspec.msgpack.encode(shipped.state) == before
    assert by(shipped, f"threepl:wms-a/{way}", scan(shipped))[-1].type == "DELIVERED"


@pytest.mark.parametrize("tell", [inspected, received], ids=["inspection", "receipt"])
def test_a_return_that_another_3pl_expects_is_refused_and_credits_nothing(
    returning: Any, refused: Any, tell: Any
) -> None:
    before, asked = msgspec.msgpack.encode(returning.state), len(returning.asked)
    with refused("partner.foreign"):
        by(returning, "threepl:B/webhook", tell(returning, "B", "B"))
    assert (msgspec.msgpack.encode(returning.state), len(returning.asked)) == (before, asked)


@pytest.mark.parametrize("tell", [inspected, received], ids=["inspection", "receipt"])
def test_a_3pl_names_no_depot_of_another(returning: Any, refused: Any, tell: Any) -> None:
    with refused("partner.depot"):
        by(returning, "threepl:wms-a/webhook", tell(returning, "wms-a", "B"))
    with refused("partner.foreign"):
        by(returning, "threepl:B/webhook", tell(returning, "wms-a", "A"))


def test_a_report_without_a_depot_is_of_the_connections_own(returning: Any) -> None:
    events = by(returning, "threepl:wms-a/poll", inspected(returning, "wms-a", "wms-a"))
    assert {u.depot for e in events if e.type == "RETURN_INSPECTED" for u in e.returned} == {"A"}
    assert [x.depot for x in returning.asked if isinstance(x, c.StockReported)] == ["A"]


def test_a_person_may_speak_of_any_depot(returning: Any) -> None:
    assert by(returning, "operator:eve", inspected(returning, "B", "B"))
    assert [x.depot for x in returning.asked if isinstance(x, c.StockReported)] == ["B"]


def test_a_parcel_at_another_3pl_is_not_spoken_of(kit: Any, refused: Any) -> None:
    desk = kit.Desk(RULES)
    theirs = inspected(desk, "B", "B", rma="returns:wms-a:P1/r1", key="returns:wms-a:P1")
    with refused("partner.foreign"):
        handle(None, msgspec.structs.replace(theirs, source="threepl:B/webhook"), RULES)


def test_a_parcel_that_the_carrier_brings_back_is_taken_by_its_own_3pl_only(kit: Any, refused: Any) -> None:
    rules = msgspec.structs.replace(RULES, returns=msgspec.structs.replace(RULES.returns, return_to_sender="credit"))
    desk = kit.Desk(rules)
    desk.upsert(kit.snapshot(OrderLine("L1", "SKU-L1", 2, unit_price=1000)))
    desk.ship()
    desk.scan("RETURN_TO_SENDER")
    with refused("partner.foreign"):
        by(desk, "threepl:B/webhook", inspected(desk, "B", "B", rma=""))
    by(desk, "threepl:wms-a/webhook", inspected(desk, "wms-a", "A", rma=""))
    assert desk.state.book.rmas[0].kind == "return_to_sender"
