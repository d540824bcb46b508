"""The dead letters: read them, and give them another try exactly once.

A redrive and the note that it was made (``wharf.control``, key ``dlq.redriven/PARTITION:OFFSET``) are one transaction, so that a
second redrive, or one that was killed, can't put a record in twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from ops.errors import UserError
from schemas.topics import BY_NAME, CONTROL, DLQ, RAW

__all__ = ["DeadLetter", "Redriver", "as_json", "check_possible", "mask", "read_dead_letters", "readable", "select"]

PREFIX = "__connect.errors."
NOTE = b"dlq.redriven/"
_OWN = (PREFIX, "wharf.error.", "wharf.redriven.")

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
    done = _redriven(kafka)
    letters = []
    for m in _read_all(kafka, DLQ.name):
        at = done.get(f"{m.partition()}:{m.offset()}")
        headers = [(k, v or b"") for k, v in m.headers() or []]
        letters.append(
            DeadLetter(m.partition(), m.offset(), m.timestamp()[1], m.key() or b"", m.value() or b"", headers, at)
        )
    return sorted(letters, key=lambda x: (x.partition, x.offset))


def select(letters: Iterable[DeadLetter], ids: Iterable[str], topic: str = "", code: str = "") -> list[DeadLetter]:
    """Those named (all, where none is), of a source topic and with an error code, where given.

    Raises UserError for an id that is not there.
    """
    by_id = {x.id: x for x in letters}
    wanted = list(ids)
    if missing := [i for i in wanted if i not in by_id]:
        raise UserError(f"no dead letter {', '.join(missing)}: `wharf dlq list` shows their ids (PARTITION:OFFSET)")
    chosen = [by_id[i] for i in wanted] or list(by_id.values())
    return [x for x in chosen if topic in ("", x.source[0]) and code in ("", x.header("wharf.error.code"))]


def check_possible(letter: DeadLetter) -> tuple[str, int, int]:
    """Where a redrive would put it: topic, partition and offset it came from. Raises UserError where there is no such place."""
    topic, partition, offset = letter.source
    if topic == RAW.name:
        raise UserError(
            f"{letter.id}: a delivery that could not be translated ({mask(letter.cause('exception.message'))}): once the cause"
            " is mended, have the channel send it again or wait for the next poll, which fetches it anew"
        )
    if topic not in BY_NAME or partition is None or offset is None:
        raise UserError(f"{letter.id}: its headers name no source topic of ours ({topic or 'none'}): nowhere to put it")
    return topic, partition, offset


class Redriver:
    """Puts dead letters back into their source topics. Opening it fences any other that runs."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer = Producer(
            {**kafka, "transactional.id": "wharf-dlq-redrive", "partitioner": "murmur2_random", "log_level": 3}
        )
        self._producer.init_transactions(60)
        # Only now: whatever another redrive was at is done or undone by the call above.
        self._done = _redriven(kafka)

    def redrive(self, letter: DeadLetter, now: int) -> bool:
        """Produce the original record and the note; False where that was done before. Raises UserError, KafkaException."""
        if letter.id in self._done:
            return False
        topic, partition, value = self._original(letter)
        headers = [h for h in letter.headers if not h[0].startswith(_OWN)]
        headers += [("wharf.redriven.from", letter.id.encode()), ("wharf.redriven.at", str(now).encode())]
        note = json.dumps({"at": now, "topic": topic}).encode()
        self._producer.begin_transaction()
        # A key says its partition; a record without one (rules, the time) was meant for the partition it was in.
        self._producer.produce(topic, value, letter.key, partition if not letter.key else -1, headers=headers)
        self._producer.produce(CONTROL.name, note, NOTE + letter.id.encode())
        self._producer.commit_transaction(30)
        self._done[letter.id] = now
        return True

    def _original(self, letter: DeadLetter) -> tuple[str, int, bytes]:
        topic, partition, offset = check_possible(letter)
        if letter.header("wharf.error.value.omitted"):
            return topic, partition, self._fetch(letter, topic, partition, offset)
        return topic, partition, letter.value

    def _fetch(self, letter: DeadLetter, topic: str, partition: int, offset: int) -> bytes:
        """The value that was too large to go along, from where it was."""
        for m in _read_all(self._kafka, topic, partition, offset):
            if m.offset() == offset:
                return bytes(m.value() or b"")
            break
        raise UserError(f"{letter.id}: its value is only in {topic}/{partition} at {offset}, which is no longer kept")


def _redriven(kafka: Kafka) -> dict[str, int]:
    """When which dead letter was redriven, by id."""
    notes = ((m.key() or b"", m.value()) for m in _read_all(kafka, CONTROL.name))
    return {k.removeprefix(NOTE).decode(): int(json.loads(v)["at"]) for k, v in notes if k.startswith(NOTE) and v}


def _read_all(kafka: Kafka, topic: str, partition: int | None = None, start: int = 0) -> Iterator[Any]:
    """Every committed record of a topic, or of one partition from an offset on, up to its present end."""
    properties = {
        **kafka,
        "group.id": "wharf-dlq-list",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    }
    reader = Consumer(properties)
    try:
        found = reader.list_topics(topic, 30).topics[topic]
        if found.error is not None:
            raise UserError(f"topic {topic}: {found.error.str()}: `wharf up` creates it")
        left = {partition} if partition is not None else set(found.partitions)
        reader.assign([TopicPartition(topic, p, start) for p in left])
        while left:
            for m in reader.consume(1000, 0.5):
                if m.error() is None:
                    yield m
                elif m.error().code() == KafkaError._PARTITION_EOF:
                    left.discard(m.partition())
                elif not m.error().retriable():
                    raise KafkaException(m.error())
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
        return {"record": type(record).__name__, **msgspec.to_builtins(record)}
    except DecodeError:
        pass
    try:
        return json.loads(value)
    except ValueError:
        return value.decode() if value.isascii() else value.hex()
