"""Another try for dead letters, exactly once.

A redrive and the note that it was made (``wharf.control``, key ``dlq.redriven/PARTITION:OFFSET``) are one transaction, so that a
second redrive, or one that was killed, can't put a record in twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Producer

from connectors.outgoing import canonical
from connectors.protocols import Received, Receiver, TranslationError
from ops.errors import UserError
from ops.recovery.dead_letters import NOTE, DeadLetter, mask, read_topic, redriven
from schemas.dead_letters import OMITTED, clean
from schemas.headers import new_trace, parse_traceparent
from schemas.topics import BY_NAME, CONTROL, RAW

__all__ = ["Redriver", "Remade", "remake"]

_MARK = "wharf.redriven."

Receivers = Mapping[tuple[str, str], Receiver]


class Remade(NamedTuple):
    """A record to be produced. ``partition`` -1: by its key."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    partition: int


def remake(letter: DeadLetter, kafka: Mapping[str, str], receivers: Receivers, now: int) -> list[Remade]:
    """What a redrive would produce: the record as it was, or what a delivery now translates to.

    Raises UserError with the reason where there is nothing to produce.
    """
    mark = [(_MARK + "from", letter.id.encode()), (_MARK + "at", str(now).encode())]
    if letter.source[0] == RAW.name:
        return [Remade(t, k, v, header + mark, -1) for t, k, v, header in _translated(letter, receivers, now)]
    topic, partition, offset = letter.source
    if topic not in BY_NAME or partition is None or offset is None:
        raise UserError(f"{letter.id}: its headers name no source topic of ours ({topic or 'none'}): nowhere to put it")
    value = letter.value
    if letter.header(OMITTED):
        value = _fetch(letter, kafka, topic, partition=partition, offset=offset)
    headers = [header for header in clean(letter.headers) if not header[0].startswith(_MARK)]
    # A key says its partition; a record without one (rules, the time) was meant for the partition it was in.
    return [Remade(topic, letter.key, value, headers + mark, -1 if letter.key else partition)]


def _translated(
    letter: DeadLetter, receivers: Receivers, now: int
) -> list[tuple[str, bytes, bytes, list[tuple[str, bytes]]]]:
    channel, account = letter.header("wharf.channel"), letter.header("wharf.account")
    receiver = receivers.get((channel, account))
    if receiver is None:
        raise UserError(
            f"{letter.id}: a delivery of {channel}:{account}, an account without `secrets` in wharf.yaml: nothing to translate it"
        )
    received = Received(letter.header("wharf.topic"), letter.header("wharf.delivery_id"), {})
    trace = parse_traceparent(letter.header("traceparent")) or new_trace()
    try:
        made = receiver.translate(received, letter.value, now, trace)
    except TranslationError as e:
        raise UserError(f"{letter.id}: still can't be translated: {mask(str(e))}") from e
    return [(outgoing.topic, outgoing.key, outgoing.value, list(outgoing.headers)) for outgoing in canonical(made)]


def _fetch(letter: DeadLetter, kafka: Mapping[str, str], topic: str, *, partition: int, offset: int) -> bytes:
    """The value that was too large to go along, from where it was."""
    first = next(read_topic(kafka, topic, partition, offset), None)
    if first is None or first.offset() != offset:
        raise UserError(
            f"{letter.id}: its value is only in {topic}/{partition} at {offset}, where it is no longer kept"
        )
    return bytes(first.value() or b"")


class Redriver:
    """Redrives dead letters. Opening it fences any other that runs."""

    def __init__(self, kafka: Mapping[str, str], receivers: Receivers) -> None:
        self._kafka = kafka
        self._receivers = receivers
        self._producer = Producer(
            {**kafka, "transactional.id": "wharf-dlq-redrive", "partitioner": "murmur2_random", "log_level": 3}
        )
        self._producer.init_transactions(60)
        # Only now: whatever another redrive was at is done or undone by the call above.
        self._done = redriven(kafka)

    def redrive(self, letter: DeadLetter, now: int) -> bool:
        """Produce what the letter was about, and the note; False where that was done before. Raises UserError, KafkaException."""
        if letter.id in self._done:
            return False
        records = remake(letter, self._kafka, self._receivers, now)
        note = json.dumps({"at": now, "topics": [record.topic for record in records]}).encode()
        self._producer.begin_transaction()
        for record in records:
            self._producer.produce(record.topic, record.value, record.key, record.partition, headers=record.headers)
        self._producer.produce(CONTROL.name, note, NOTE + letter.id.encode())
        self._producer.commit_transaction(30)
        self._done[letter.id] = now
        return True
