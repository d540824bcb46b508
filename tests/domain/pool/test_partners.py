"""A pool hears of a pick order, and of a depot's stock, from its own 3PL only."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.errors import Rejected
from domain.records.commands import StockReported, WmsReported
from domain.rules.ruleset import Depot, RuleSet

A, B = Depot("A", "NL", sequence=1, wms="wms-a"), Depot("B", "DE", sequence=2)


@pytest.fixture
def picking(bench: Any) -> Any:
    pool = bench(RuleSet("v1", depots=[A, B]))
    pool.stock("A", "X", 5)
    pool.order("1", {"X": 2})
    return pool


def said(pool: Any, source: str, **figures: Any) -> Any:
    """A report as if ``source`` had told it."""
    head = pool._head
    pool._head = lambda kind: {**head(kind), "source": source}
    try:
        return pool.wms("main/shopify:acme:1/1", "SHIPPED", {"X": {"picked": 2, "shipped": 2}}, **figures)
    finally:
        pool._head = head


@pytest.mark.parametrize("source", ["threepl:B/webhook", "threepl:B/poll", "threepl:A/webhook", "threepl:/webhook/x"])
def test_a_report_of_another_3pls_pick_order_is_refused_and_moves_no_stock(picking: Any, source: str) -> None:
    before = dict(picking.view.data)
    with pytest.raises(Rejected, match=r"partner.foreign.*'wms-a'.*redrive"):
        said(picking, source, cost=99_999_999)
    assert picking.view.data == before
    assert not picking.progress()


@pytest.mark.parametrize("way", ["webhook", "poll", "api"])
def test_its_own_3pl_is_heard(picking: Any, way: str) -> None:
    assert [e.type for e in said(picking, f"threepl:wms-a/{way}")] == ["PICKED", "SHIPPED"]


def test_a_pick_order_stays_with_the_3pl_it_was_given_to_when_the_depot_gets_another(picking: Any) -> None:
    picking.rules = RuleSet("v2", depots=[msgspec.structs.replace(A, wms="wms-new"), B])
    assert said(picking, "threepl:wms-a/webhook")


def test_and_the_depots_new_3pl_may_speak_of_it_too(picking: Any) -> None:
    picking.rules = RuleSet("v2", depots=[msgspec.structs.replace(A, wms="wms-new"), B])
    assert said(picking, "threepl:wms-new/webhook")


@pytest.mark.parametrize("kind", ["COUNT", "RECEIPT", "RESTOCK", "CORRECTION"])
def test_stock_of_anothers_depot_is_refused(picking: Any, kind: str) -> None:
    head = {**picking._head("StockReported"), "source": "threepl:B/webhook"}
    told = StockReported(
        **head, pool="main", idempotency_key="k", kind=kind, depot="A", sku="X", quality="new", qty=9, reference=""
    )
    with pytest.raises(Rejected, match=r"partner\.depot"):
        picking.do(told)
    assert picking.level("A", "X") == (5, 2)
    assert picking.do(msgspec.structs.replace(told, depot="B"))


def test_a_report_for_a_pool_that_never_was_leaves_nothing_behind(bench: Any) -> None:
    pool = bench(RuleSet("v1", depots=[A, B]))
    with pytest.raises(Rejected, match=r"allocation\.unknown"):
        pool.do(
            WmsReported(
                **{**pool._head("WmsReported"), "source": "threepl:B/webhook"}, pool="nowhere", order_key="a:b:c",
                idempotency_key="w", allocation_id="nowhere/a:b:c/1", status="SHIPPED", lines=[], shipment_id="",
                carrier="", tracking_number="", tracking_url="", cost=0, cost_currency="EUR", reason="", occurred_at=1,
            )
        )  # fmt: skip
    assert not pool.view.data
