"""What both aggregates' agents do the same way: read a command, publish a fact, keep the rules in force."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from domain.commands import RulesPublished
from domain.errors import Rejected
from domain.record import Record as Fact
from domain.rules import RuleSet
from schemas.codec import decode, encode
from schemas.headers import headers

from .runtime import Record, Staged

__all__ = ["RULES_KEY", "check_key", "keep_rules", "read", "rules_in_force", "send"]

RULES_KEY = b"\x00rules"
"""Where a partition keeps the rules in force: no order or pool key begins with a NUL."""

_DEFAULTS = RuleSet()


def read(record: Record, expected: tuple[type, ...]) -> Fact:
    """The record's command. Raises DecodeError, or Rejected for a type that this topic does not carry."""
    command = decode(record.message.value)
    if not isinstance(command, expected):
        raise Rejected("record.type", "value", f"{record.message.topic} carries no {type(command).__name__}")
    record.decoded()
    return command


def send(record: Record, topic: str, key: bytes, fact: Fact) -> None:
    """Publish with the CloudEvents and trace headers."""
    record.send(topic, key, encode(fact), headers(fact))


def keep_rules(table: Staged, published: RulesPublished) -> None:
    """Put rules in force for this partition. Raises where they can't be read, and then the old ones stay."""
    body = published.body.encode()
    _parse_rules(body)
    table.put(RULES_KEY, body)


def rules_in_force(table: Staged) -> RuleSet:
    """The partition's rules; before any were published, the defaults."""
    body = table.get(RULES_KEY)
    return _parse_rules(body) if body else _DEFAULTS


@lru_cache(maxsize=16)
def _parse_rules(body: bytes) -> RuleSet:
    return msgspec.json.decode(body, type=RuleSet)


def check_key(record: Record, key: str) -> bytes:
    """The aggregate's key. Raises Rejected for a command under another one: it lies in a partition where its aggregate is not."""
    if record.message.key != key.encode():
        raise Rejected(
            "record.key", "key", f"{record.message.key!r} is not {key!r}, the key of what the record is about"
        )
    return record.message.key
