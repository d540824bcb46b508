"""All oracles over one run at rest.

Of the demo's checks (``lab/demo/checks``, which share no code with domain, streams or sinks) it uses final states, quantities, stock,
shipments, credits and ClickHouse's rows as they are; deliveries, repeats, effects, dead letters and the fold are here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.demo.checks import credits, events_once, final_states, quantities, shipments, stock
from lab.demo.checks.clickhouse import ClickHouse
from lab.demo.checks.evidence import Evidence
from lab.demo.checks.finding import Finding
from lab.demo.checks.log import Entry, read_topic
from lab.demo.collect import catch_up
from lab.demo.ledgers import fetch, from_shopify, from_threepl, money, payments

from . import dead_letters, deliveries, fold, repeats

__all__ = ["Judgement", "judge"]


class Judgement:
    """Findings, and the figures of the run that only the log knows."""

    def __init__(self, findings: list[Finding], events: int, repeats: int) -> None:
        self.findings = findings
        self.events = events
        self.repeats = repeats


def judge(  # noqa: PLR0917  # one reader of everything
    bootstrap: str,
    clickhouse: ClickHouse,
    shop_ledger: Path,
    shop: str,
    threepl: str,
    poisoned: list[dead_letters.Place],
    *,
    account: str = "acme",
    step: Callable[[str], None] = lambda text: None,
) -> Judgement:
    """Read everything once and hold it against every promise."""
    step("reading the log and the ledgers")
    ledger = [json.loads(line) for line in shop_ledger.read_text().splitlines() if line]
    read: dict[str, list[Entry]] = {
        name: list(read_topic(bootstrap, f"wharf.{name}"))
        for name in ("raw", "orders.events", "pools.events", "pools.in", "effects")
    }
    orders_in = list(read_topic(bootstrap, "wharf.orders.in"))
    dlq = list(read_topic(bootstrap, "wharf.dlq", decoded=False))
    order_events, pool_events = read["orders.events"], read["pools.events"]
    step("waiting for ClickHouse to have caught up")
    catch_up(clickhouse, {"order_events": len(order_events), "pool_events": len(pool_events)})
    shown: dict[str, Any] = {"entries": ledger, "violations": [e for e in ledger if e["kind"] == "violation"]}
    channel = from_shopify(shown, account)
    channel.money.extend(money(payments(shop), channel.name))
    evidence = Evidence(
        order_events=order_events,
        pool_events=pool_events,
        pools_in=read["pools.in"],
        dlq=dlq,
        channels=[channel],
        warehouse=from_threepl(fetch(threepl)),
        rows=clickhouse.rows,
    )
    step("holding them against the promises")
    cancelled = {key for key, _ in channel.cancelled}
    findings = [
        deliveries.check(ledger, read["raw"], orders_in, dlq),
        final_states.check(evidence),
        quantities.check(evidence),
        stock.check(evidence),
        shipments.check(evidence),
        credits.check(evidence),
        repeats.check_duplicates(orders_in, order_events),
        repeats.check_sequences(order_events, "order_key", "order_sequences"),
        repeats.check_sequences(pool_events, "pool", "pool_sequences"),
        repeats.check_effects(read["effects"], orders_in),
        events_once.check(evidence),
        dead_letters.check(dlq, poisoned, cancelled),
    ]
    step("folding the input again")
    findings.append(fold.check(bootstrap))
    neutralised = sum(e.data["type"] in ("DUPLICATE", "STALE") for e in (*order_events, *pool_events))
    return Judgement(findings, len(order_events) + len(pool_events), neutralised)
