"""A verified delivery to the records that go to Kafka: the raw delivery, and its canonical facts or its dead letter. Pure."""

from __future__ import annotations

from typing import NamedTuple

from connectors.protocols import Received, Translation
from domain.records.commands import RulesPublished, Tick
from domain.records.raw_delivery import RawDelivery
from domain.records.record import Record
from schemas import topics
from schemas.codec import encode
from schemas.dead_letters import VALUE_CONVERTER, cause
from schemas.headers import headers

__all__ = ["Outgoing", "canonical", "dead_letter", "raw_record"]

_UNKEYED = (RulesPublished, Tick)
"""Commands of every partition at once; no channel sends them."""


def raw_record(
    source: tuple[str, str], received: Received, body: bytes, *, now: int, event_id: str, trace: str
) -> Outgoing:
    """The delivery as it came. ``source``: channel and account. Keyed by what the channel calls it, else by our own id of it."""
    channel, account = source
    record = RawDelivery(
        event_id=event_id,
        type="RawDelivery",
        time=now,
        source=f"{channel}:{account}/webhook",
        trace=trace,
        channel=channel,
        account=account,
        topic=received.topic,
        delivery_id=received.delivery_id,
        transport="webhook",
        headers=received.headers,
        body=body,
    )
    key = f"{channel}:{account}:{received.delivery_id or event_id}"
    return _record(topics.RAW, key, record)


def canonical(translation: Translation) -> list[Outgoing]:
    """The facts, each to its aggregate's one input topic; what must be fetched anew is an effect like any other."""
    out = [
        _record(topics.ORDERS_IN, command.order_key, command)
        for command in translation.orders
        if not isinstance(command, _UNKEYED)
    ]
    out += [
        _record(topics.POOLS_IN, command.pool, command)
        for command in translation.pools
        if not isinstance(command, _UNKEYED)
    ]
    out += [_record(topics.EFFECTS, refetch.order_key or refetch.target, refetch) for refetch in translation.refetch]
    return out


def dead_letter(raw: Outgoing, received: Received, body: bytes, error: Exception, source: str) -> Outgoing:
    """What could not be translated: the raw body, with its cause. The delivery of the same key in ``wharf.raw`` has its headers too."""
    about = {
        "wharf.channel": source.partition(":")[0],
        "wharf.account": source.partition(":")[2],
        "wharf.topic": received.topic,
        "wharf.delivery_id": received.delivery_id,
    }
    out = [header for header in raw.headers if header[0] != "content-type"]
    out.append(("content-type", b"application/json"))
    out += cause(error, topic=topics.RAW.name, stage=VALUE_CONVERTER, by=source, module=__name__, code="translate")
    out += [(name, value.encode(errors="replace")) for name, value in about.items()]
    return Outgoing(topics.DLQ.name, raw.key, body, out)


def _record(topic: topics.Topic, key: str, record: Record) -> Outgoing:
    return Outgoing(topic.name, key.encode(), encode(record), headers(record))


class Outgoing(NamedTuple):
    """A record to write: topic name, key, value, headers."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
