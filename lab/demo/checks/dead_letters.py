"""The DLQ holds exactly what could not be processed: each deliberate poison is there, and nothing else that could have been."""

from __future__ import annotations

from collections import Counter

from .evidence import Evidence
from .finding import Finding, found
from .log import Entry

__all__ = ["cause", "check"]

PROMISE = "the DLQ holds every deliberately broken delivery, and nothing that should have been processed"


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    refused = {key for channel in evidence.channels for key, _ in channel.cancelled}
    expected = {(poison.channel, poison.delivery_id) for channel in evidence.channels for poison in channel.poison}
    there: Counter[tuple[str, str]] = Counter()
    violations = []
    for entry in evidence.dlq:
        place = (_channel(entry), entry.headers.get("wharf.delivery_id", ""))
        there[place] += 1
        if place not in expected and not _too_late(entry, refused):
            violations.append(f"{entry.key} ({entry.partition}/{entry.offset}): {cause(entry)}")
    missing = [f"{channel}: broken delivery {delivery} is not in the DLQ" for channel, delivery in expected - {*there}]
    causes = Counter(cause(entry).partition(": ")[0] for entry in evidence.dlq)
    figures = {"letters": len(evidence.dlq), "expected": len(expected), **dict(causes.most_common())}
    return found("dead_letters", PROMISE, figures, missing + violations)


def _too_late(entry: Entry, refused: set[str]) -> bool:
    """A channel can't be told of a parcel whose units it had cancelled meanwhile: the letter waits for a person, as it should."""
    return entry.headers.get("ce_type", "").endswith("ChannelShipment") and entry.key in refused


def _channel(entry: Entry) -> str:
    return f"{entry.headers.get('wharf.channel', '')}:{entry.headers.get('wharf.account', '')}"


def cause(entry: Entry) -> str:
    """Code and message of a dead letter."""
    code = entry.headers.get("wharf.error.code", "unknown")
    return f"{code}: {entry.headers.get('__connect.errors.exception.message', '')}"
