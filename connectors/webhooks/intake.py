"""One delivery, from its bytes to Kafka's acknowledgement: verify, store, translate. Knows no HTTP framework."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from connectors.base import BadSignature, Received, Receiver, Translation, Unreadable
from schemas.headers import new_trace, parse_traceparent

from . import body as request_body
from .limits import TokenBucket
from .metrics import Metrics
from .publisher import Backlog, NotPublished, Outgoing, Publisher, TooLarge
from .records import canonical, dead_letter, raw_record

__all__ = ["DEFAULT", "Answer", "Intake", "Limits"]

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a delivery may cost. ``rate`` and ``burst``: deliveries a second and at once, per account; ``open``: requests at a time."""

    body_bytes: int = 2 * 1024 * 1024
    read_seconds: float = 5.0
    rate: float = 10_000.0
    burst: float = 20_000.0
    open: int = 2_000


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the channel is told. ``outcome`` is the counted name of it."""

    status: int
    outcome: str
    detail: str = ""
    headers: dict[str, str] = field(default_factory=dict)


STORED = Answer(200, "stored")
DEAD_LETTER = Answer(200, "dead_letter")
"""Genuine but not translatable: kept for a person to mend, and the channel need not send it again."""

_CLOSE = {"connection": "close"}


class Intake:
    """The accounts' receivers around one publisher. ``now``: UTC ms; ``monotonic``: seconds, for the rate limit."""

    def __init__(
        self,
        receivers: Mapping[tuple[str, str], Receiver],
        publisher: Publisher,
        now: Callable[[], int],
        *,
        limits: Limits = DEFAULT,
        metrics: Metrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._receivers = dict(receivers)
        self._publisher = publisher
        self._now = now
        self._limits = limits
        self._monotonic = monotonic
        self._buckets = {key: TokenBucket(limits.rate, limits.burst) for key in receivers}
        self._open = 0
        self.metrics = metrics or Metrics()

    @property
    def healthy(self) -> bool:
        """Whether deliveries can be stored."""
        return self._publisher.healthy

    async def take(
        self, channel: str, account: str, headers: Mapping[str, str], chunks: AsyncIterator[bytes]
    ) -> Answer:
        """The whole of one request. Header names are lower case. Never raises for what the sender did."""
        receiver = self._receivers.get((channel, account))
        if receiver is None:
            return Answer(404, "unknown", "no such channel or account", _CLOSE)
        started = self._monotonic()
        self._open += 1
        self.metrics.open.set(self._open)
        try:
            answer = await self._answer(receiver, headers, chunks)
        finally:
            self._open -= 1
            self.metrics.open.set(self._open)
        self.metrics.delivered(channel, account, answer.outcome)
        if answer.status == 200:
            self.metrics.stored(channel, self._monotonic() - started)
        else:
            _LOG.warning("refused", channel=channel, account=account, status=answer.status, outcome=answer.outcome)
        return answer

    async def _answer(self, receiver: Receiver, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> Answer:
        if self._open > self._limits.open:
            return Answer(503, "busy", "too many requests at once", {"retry-after": "1", **_CLOSE})
        body = await self._body(headers, chunks)
        if isinstance(body, Answer):
            return body
        try:
            received = receiver.verify(headers, body)
        except BadSignature as e:
            return Answer(401, "signature", str(e))
        except Unreadable as e:
            return Answer(400, "unreadable", str(e))
        # Only what is genuine takes a token: a stranger must not be able to use up an account's share.
        wait = self._buckets[receiver.channel, receiver.account].take(self._monotonic())
        if wait:
            return Answer(429, "rate", "too many deliveries", {"retry-after": str(max(1, round(wait + 0.5)))})
        return await self._store(receiver, received, body, headers)

    async def _body(self, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> bytes | Answer:
        cap = self._limits.body_bytes
        try:
            wire = await request_body.read(chunks, headers.get("content-length"), cap, self._limits.read_seconds)
            return request_body.decoded(wire, headers.get("content-encoding", ""), cap)
        except request_body.TooMuch as e:
            return Answer(413, "too_large", str(e), _CLOSE)
        except request_body.SlowBody as e:
            return Answer(408, "slow", str(e), _CLOSE)
        except request_body.UnknownEncoding as e:
            return Answer(415, "encoding", str(e))
        except Unreadable as e:
            return Answer(400, "unreadable", str(e))

    async def _store(self, receiver: Receiver, received: Received, body: bytes, headers: Mapping[str, str]) -> Answer:
        records, translated = self._records(receiver, received, body, headers)
        try:
            await self._publisher.publish(records)
        except Backlog as e:
            return Answer(503, "backlog", str(e), {"retry-after": "2"})
        except TooLarge as e:
            return Answer(413, "too_large", str(e))
        except NotPublished as e:
            return Answer(503, "not_stored", str(e), {"retry-after": "5"})
        return STORED if translated else DEAD_LETTER

    def _records(
        self, receiver: Receiver, received: Received, body: bytes, headers: Mapping[str, str]
    ) -> tuple[list[Outgoing], bool]:
        now, trace = self._now(), parse_traceparent(headers.get("traceparent")) or new_trace()
        source = (receiver.channel, receiver.account)
        raw = raw_record(source, received, body, now=now, event_id=str(uuid.uuid4()), trace=trace)
        try:
            translation: Translation = receiver.translate(received, body, now, trace)
            return [raw, *canonical(translation)], True
        except (
            Exception
        ) as e:  # a translator's bug must not make the channel repeat a delivery for ever: it is kept, with its cause
            _LOG.warning(
                "not translated",
                channel=receiver.channel,
                account=receiver.account,
                topic=received.topic,
                field=getattr(e, "field", ""),
                error=type(e).__name__,
                trace=trace,
            )
            return [raw, dead_letter(raw, received, body, e, ":".join(source))], False
