"""What both aggregates' agents do the same way: read a command, publish a fact, keep the rules in force."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from domain.errors import Rejected
from domain.records.commands import RulesPublished
from domain.records.record import Record as Fact
from domain.rules.ruleset import RuleSet
from domain.rules.versions import Edition, RuleBook
from schemas.codec import decode, encode
from schemas.headers import headers

from .runtime import Record, Staged

__all__ = ["RULES_KEY", "check_key", "keep_rules", "read", "rules_in_force", "send"]

RULES_KEY = b"\x00rules"
"""Where a partition keeps its `RuleBook`, in force and ahead: no order or pool key begins with a NUL."""

_DEFAULTS = RuleSet()
_encode = msgspec.msgpack.Encoder().encode


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
    """Take a version into this partition's book. Raises where it can't be read, and then the book stays as it was."""
    if published.body:
        _parse_rules(published.body)
    book = _parse_book(table.get(RULES_KEY)).at(published.time)
    table.put(RULES_KEY, _encode(book.publish(published)))


def rules_in_force(table: Staged, time: int) -> RuleSet:
    """The partition's rules at a command's ``time`` (UTC ms): a version whose day has come is in force from here on. Before any
    were published, the defaults.
    """
    kept = table.get(RULES_KEY)
    book = _parse_book(kept)
    if book.ahead and (now := book.at(time)) is not book:
        table.put(RULES_KEY, _encode(now))
        book = now
    return _parse_rules(book.current.body) if book.current else _DEFAULTS


@lru_cache(maxsize=64)
def _parse_book(kept: bytes | None) -> RuleBook:
    if not kept:
        return RuleBook()
    if kept.startswith(b"{"):  # before there were dates: the rules in force, alone
        body = kept.decode()
        return RuleBook(Edition(_parse_rules(body).version, body, 0))
    return msgspec.msgpack.decode(kept, type=RuleBook)


@lru_cache(maxsize=16)
def _parse_rules(body: str) -> RuleSet:
    return msgspec.json.decode(body, type=RuleSet)


def check_key(record: Record, key: str) -> bytes:
    """The aggregate's key. Raises Rejected for a command under another one: it lies in a partition where its aggregate is not."""
    if record.message.key != key.encode():
        raise Rejected(
            "record.key", "key", f"{record.message.key!r} is not {key!r}, the key of what the record is about"
        )
    return record.message.key
