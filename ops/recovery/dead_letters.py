"""The dead letters: read them, choose among them, show them without personal data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from ops.errors import UserError
from schemas.dead_letters import PREFIX
from schemas.patience import partition_counts, passing, patiently
from schemas.topics import CONTROL, DLQ

__all__ = [
    "NOTE",
    "DeadLetter",
    "as_json",
    "mask",
    "read_dead_letters",
    "read_topic",
    "readable",
    "redriven",
    "select",
]

NOTE = b"dlq.redriven/"
"""Keys of `wharf.control` that say which dead letter was redriven; its id follows."""

Kafka = Mapping[str, str]
"""librdkafka properties with ``bootstrap.servers``."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of ``wharf.dlq``. ``id``: its place there; ``redriven``: when it was given another try (UTC ms), or None."""

    partition: int
    offset: int
    time: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    redriven: int | None = None

    @property
    def id(self) -> str:
        """``PARTITION:OFFSET``, as commands take it."""
        return f"{self.partition}:{self.offset}"

    def header(self, name: str) -> str:
        """A header's text, ``""`` where there is none."""
        return next((v.decode(errors="replace") for k, v in self.headers if k == name), "")

    def cause(self, name: str) -> str:
        """What Kafka Connect's header of that name says."""
        return self.header(PREFIX + name)

    @property
    def source(self) -> tuple[str, int | None, int | None]:
        """Topic, partition and offset it came from; the latter two None where it was never in a topic."""
        partition, offset = self.cause("partition"), self.cause("offset")
        return self.cause("topic"), int(partition) if partition else None, int(offset) if offset else None


def read_dead_letters(kafka: Kafka) -> list[DeadLetter]:
    """All there are, oldest first within each partition, with what became of them."""
    done = redriven(kafka)
    letters = []
    for message in read_topic(kafka, DLQ.name):
        at = done.get(f"{message.partition()}:{message.offset()}")
        headers = [(k, v or b"") for k, v in message.headers() or []]
        letters.append(
            DeadLetter(
                message.partition(),
                message.offset(),
                message.timestamp()[1],
                message.key() or b"",
                message.value() or b"",
                headers,
                at,
            )
        )
    return sorted(letters, key=lambda letter: (letter.partition, letter.offset))


def select(letters: Iterable[DeadLetter], ids: Iterable[str], topic: str = "", code: str = "") -> list[DeadLetter]:
    """Those named (all, where none is), of a source topic and with an error code, where given.

    Raises UserError for an id that is not there.
    """
    by_id = {letter.id: letter for letter in letters}
    wanted = list(ids)
    if missing := [letter_id for letter_id in wanted if letter_id not in by_id]:
        raise UserError(f"no dead letter {', '.join(missing)}: `wharf dlq list` shows their ids (PARTITION:OFFSET)")
    chosen = [by_id[letter_id] for letter_id in wanted] or list(by_id.values())
    return [
        letter
        for letter in chosen
        if topic in ("", letter.source[0]) and code in ("", letter.header("wharf.error.code"))
    ]


def redriven(kafka: Kafka) -> dict[str, int]:
    """When (UTC ms) which dead letter was redriven, by id."""
    notes = ((message.key() or b"", message.value()) for message in read_topic(kafka, CONTROL.name))
    return {k.removeprefix(NOTE).decode(): int(json.loads(v)["at"]) for k, v in notes if k.startswith(NOTE) and v}


def read_topic(kafka: Kafka, topic: str, partition: int | None = None, start: int = 0) -> Iterator[Any]:
    """Every committed record of a topic, or of one partition from an offset on, up to its present end."""
    properties = {
        **kafka,
        "group.id": "wharf-dlq-list",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 10,
        "log_level": 3,
    }
    reader = Consumer(properties)
    try:
        count = patiently(lambda: partition_counts(reader)).get(topic, 0)
        if not count:
            raise UserError(f"topic {topic} is not there: `wharf up` creates it")
        left = {partition} if partition is not None else set(range(count))
        reader.assign([TopicPartition(topic, place, start) for place in left])
        while left:
            for message in reader.consume(1000, 0.05):
                if message.error() is None:
                    yield message
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                elif not passing(message.error()):
                    raise KafkaException(message.error())
    finally:
        reader.close()


_MAIL = re.compile(r"[^\s@'\"<>]+@[^\s@'\"<>]+")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,}\d")


def mask(text: str) -> str:
    """Without e-mail addresses and phone numbers, which an error's text may quote from the record."""
    return _PHONE.sub("+***", _MAIL.sub("***@***", text))


def as_json(letter: DeadLetter, whole: bool = False) -> dict[str, Any]:
    """For programs; ``whole`` adds value and stack trace, with whatever personal data they hold."""
    topic, partition, offset = letter.source
    row: dict[str, Any] = {
        "id": letter.id,
        "time": letter.time,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "key": letter.key.decode(errors="replace"),
        "stage": letter.cause("stage"),
        "error": letter.cause("exception.class.name"),
        "code": letter.header("wharf.error.code"),
        "field": letter.header("wharf.error.field"),
        "message": letter.cause("exception.message") if whole else mask(letter.cause("exception.message")),
        "traceparent": letter.header("traceparent"),
        "redriven": letter.redriven,
    }
    if whole:
        row["headers"] = {k: v.decode(errors="replace") for k, v in letter.headers}
        row["value"] = readable(letter.value)
    return row


def readable(value: bytes) -> Any:
    """A record of ours by field, else JSON, else text, else hex."""
    import msgspec

    from schemas.codec import DecodeError, decode

    try:
        record = decode(value)
    except DecodeError:
        return _as_text(value)
    return {"record": type(record).__name__, **msgspec.to_builtins(record)}


def _as_text(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value.decode() if value.isascii() else value.hex()
