"""Dedupe, sequences and effects: each repeat counted as one, each event once and in order, each effect with one outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from lab.demo.checks.finding import Finding, found
from lab.demo.checks.log import Entry

__all__ = ["check_duplicates", "check_effects", "check_sequences"]


def check_duplicates(orders_in: Iterable[Entry], events: Iterable[Entry]) -> Finding:
    """A fact that came n times is worked once: n - 1 of them are recorded as repeats (or as out of date)."""
    came: dict[tuple[str, str], list[str]] = defaultdict(list)
    for e in orders_in:
        if e.name in ("OrderUpserted", "OrderCancelled"):
            came[e.data["order_key"], e.data["idempotency_key"]].append(e.data["content_hash"])
    counted = Counter(
        (e.data["order_key"], e.data["reason"]) for e in events if e.data["type"] in ("DUPLICATE", "STALE")
    )
    violations = []
    repeated = 0
    for fact, hashes in came.items():
        repeated += len(hashes) - 1
        if len(set(hashes)) == 1 and not len(hashes) - 1 <= counted[fact] <= len(hashes):
            violations.append(f"{fact}: came {len(hashes)} times, {counted[fact]} were counted as repeats")
    figures = {"facts": len(came), "repeats": repeated}
    return found("duplicates", "a fact that comes n times is worked once", figures, violations)


def check_sequences(events: Iterable[Entry], key: str, name: str) -> Finding:
    """Event ids once; the sequence of each order or pool without a gap, in the order of the log."""
    last: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    violations = []
    total = 0
    for e in events:
        total += 1
        ids[e.data["event_id"]] += 1
        if e.data["seq"] != last[e.data[key]] + 1:
            violations.append(
                f"{e.data[key]}: event {e.data['seq']} after {last[e.data[key]]} ({e.partition}/{e.offset})"
            )
        last[e.data[key]] = e.data["seq"]
    violations += [f"event {i} is {n} times in the log" for i, n in ids.items() if n > 1]
    return found(
        name, "each event once in the log, its aggregate's sequence without a gap", {"events": total}, violations
    )


def check_effects(effects: Iterable[Entry], orders_in: Iterable[Entry]) -> Finding:
    """Each effect once in the log; every one has exactly one outcome. What a re-fetch fetched is its outcome: none is told of it."""
    made = Counter(e.data["event_id"] for e in effects if e.name != "ChannelRefetch")
    outcomes = Counter(e.data["effect_id"] for e in orders_in if e.name == "EffectOutcome")
    violations = [f"effect {i} is {n} times in the log" for i, n in made.items() if n > 1]
    violations += [f"effect {i} has {outcomes[i]} outcomes" for i in made if outcomes[i] != 1]
    figures = {"effects": len(made), "outcomes": sum(outcomes.values())}
    return found("effects", "each effect asked for once, and one outcome told of it", figures, violations)
