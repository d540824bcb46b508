"""From request to credit through our connectors and the simulators over real HTTP, without Kafka; judged by the demo's own checks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lab.demo.checks import credits, stock
from tests.system.returns.shop_floor import open_floor


async def test_returns_are_credited_to_the_cent_and_stock_is_conserved_with_qualities(tmp_path: Path) -> None:
    async with open_floor(tmp_path) as floor:
        await floor.run()
    kinds = Counter(e.type for e in floor.order_events)
    evidence = floor.evidence()
    for check in (credits.check, stock.check):
        finding = check(evidence)
        assert finding.offenders == [], (finding.figures, finding.offenders)
    assert not [text for c in evidence.channels for text in c.violations]
    found = {x.disposition for x in evidence.warehouse.inspected}
    assert {"RESTOCK", "B_GRADE", "WRITE_OFF"} <= found
    assert kinds["CREDITED"] >= 10, kinds
    assert kinds["RETURN_LABELLED"] >= 5, kinds
    assert kinds["MANUAL_REFUND"] == 0, [e.reason for e in floor.order_events if e.type == "MANUAL_REFUND"]
    assert kinds["EFFECT_FAILED"] == 0, [e.reason for e in floor.order_events if e.type == "EFFECT_FAILED"]
    assert floor.rejected == []
    by_channel = Counter(e.channel for e in floor.order_events if e.type == "CREDITED")
    assert set(by_channel) == {"shopify", "bol"}
