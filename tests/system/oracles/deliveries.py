"""No delivery answered with 2xx is lost: the load's own ledger, written before each send, against the raw log and the workers' input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from lab.demo.checks.finding import Finding, found
from lab.demo.checks.log import Entry

__all__ = ["check"]

PROMISE = "every delivery answered with 2xx is in the raw log and became facts for the workers, or a dead letter"
Delivery = tuple[str, str]
"""The channel's event id, and the topic."""


def check(
    ledger: list[dict[str, Any]], raw: Iterable[Entry], orders_in: Iterable[Entry], dlq: Iterable[Entry]
) -> Finding:
    """``ledger``: the load's entries, oldest first."""
    sent: Counter[Delivery] = Counter()
    confirmed: Counter[Delivery] = Counter()
    violations = []
    for e in ledger:
        if e["kind"] == "sent":
            sent[e["event"], e["topic"]] += 1
        elif e["kind"] == "confirmed":
            confirmed[e["event"], e["topic"]] += 1
        elif e["kind"] == "violation":
            violations.append(f"load: {e}")
    stored = Counter((e.data["delivery_id"], e.data["topic"]) for e in raw if e.data.get("transport") == "webhook")
    facts = {_named(e.data["delivery_id"]) for e in orders_in if e.data.get("delivery_id")}
    letters = {(e.headers.get("wharf.delivery_id", ""), e.headers.get("wharf.topic", "")) for e in dlq}
    for delivery, n in confirmed.items():
        if stored[delivery] < n:
            violations.append(f"{delivery}: confirmed {n} times, {stored[delivery]} times in the raw log")
        elif stored[delivery] > sent[delivery]:
            violations.append(f"{delivery}: sent {sent[delivery]} times, {stored[delivery]} times in the raw log")
        if delivery not in facts and delivery not in letters:
            violations.append(f"{delivery}: in the raw log, but no fact and no dead letter came of it")
    figures = {
        "sent": sum(sent.values()),
        "confirmed": sum(confirmed.values()),
        "events": len(confirmed),
        "facts": len(facts & {*confirmed}),
    }
    return found("deliveries", PROMISE, figures, violations)


def _named(delivery_id: str) -> Delivery:
    event, _, topic = delivery_id.partition("/")
    return event, topic
