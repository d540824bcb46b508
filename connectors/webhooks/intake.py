"""One delivery, from its bytes to Kafka's acknowledgement: verify, store, translate. Knows no HTTP framework."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import structlog

from connectors.outgoing import Outgoing, canonical, dead_letter, raw_record
from connectors.protocols import BadSignature, Received, Receiver, Translation, Unreadable
from schemas.headers import new_trace, parse_traceparent

from . import body as request_body
from .answer import CLOSE, DEAD_LETTER, STORED, Answer
from .head import Head, refused
from .limits import TokenBucket
from .metrics import Metrics
from .publisher import Backlog, NotPublished, Publisher, TooLarge
from .refusals import Refusals
from .waiting import Seat, Waiting
from .work import SMALL_BYTES, Work

__all__ = ["DEFAULT", "Answer", "Intake", "Limits"]

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a delivery may cost. ``rate`` and ``burst``: deliveries a second and at once, per account.

    ``open`` and ``waiting_bytes``: requests and bytes of bodies that nobody has verified yet, for all senders together.
    """

    body_bytes: int = 2 * 1024 * 1024
    read_seconds: float = 5.0
    rate: float = 10_000.0
    burst: float = 20_000.0
    open: int = 2_000
    waiting_bytes: int = 64 * 1024 * 1024


DEFAULT = Limits()

BUSY = Answer(503, "busy", "too much waits to be verified, and this the longest", {"retry-after": "1", **CLOSE})


class Intake:
    """The accounts' receivers around one publisher. ``now``: UTC ms; ``monotonic``: seconds, for the limits."""

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
        self._waiting = Waiting(limits.open, limits.waiting_bytes)
        self._work = Work()
        self._refusals = Refusals(monotonic)
        self._open = 0
        self.metrics = metrics or Metrics()

    @property
    def healthy(self) -> bool:
        """Whether deliveries can be stored."""
        return self._publisher.healthy

    def close(self) -> None:
        """Let the threads go."""
        self._work.close()

    async def take(self, channel: str, account: str, head: Head, chunks: AsyncIterator[bytes]) -> Answer:
        """The whole of one request. Never raises for what the sender did."""
        receiver = self._receivers.get((channel, account))
        if receiver is None:
            return Answer(404, "unknown", "no such channel or account", CLOSE)
        started = self._monotonic()
        self._open += 1
        self.metrics.open.set(self._open)
        try:
            answer = refused(receiver, head) or await self._answer(receiver, head, chunks)
        finally:
            self._open -= 1
            self.metrics.open.set(self._open)
        self.metrics.delivered(channel, account, answer.outcome)
        if answer.status == 200:
            self.metrics.stored(channel, self._monotonic() - started)
        else:
            self._refusals.tell(channel, account, answer)
        return answer

    async def _answer(self, receiver: Receiver, head: Head, chunks: AsyncIterator[bytes]) -> Answer:
        verified = await self._verified(receiver, head, chunks)
        if isinstance(verified, Answer):
            return verified
        received, body = verified
        self._waiting.prove(head.peer, self._monotonic())
        # Only what is genuine takes a token: a stranger must not be able to use up an account's share.
        wait = self._buckets[receiver.channel, receiver.account].take(self._monotonic())
        if wait:
            return Answer(429, "rate", "too many deliveries", {"retry-after": str(max(1, round(wait + 0.5)))})
        return await self._store(receiver, received, body, head.headers)

    async def _verified(
        self, receiver: Receiver, head: Head, chunks: AsyncIterator[bytes]
    ) -> tuple[Received, bytes] | Answer:
        """The body and what its headers say; until then it is a stranger's, and holds a stranger's room."""
        clock = asyncio.timeout(self._limits.read_seconds)
        loop = asyncio.get_running_loop()

        def evict() -> None:
            if not clock.expired():
                clock.reschedule(loop.time())

        try:
            async with clock:
                seat = self._waiting.enter(head.peer, self._monotonic(), evict)
                try:
                    return await self._read_and_judge(receiver, head, chunks, seat, clock)
                finally:
                    evicted = seat.evicted
                    self._waiting.leave(seat)
        except TimeoutError:
            return BUSY if evicted else self._slow()
        except BadSignature as e:
            return Answer(401, "signature", str(e))
        except Unreadable as e:
            return Answer(400, "unreadable", str(e))
        except request_body.TooMuch as e:
            return Answer(413, "too_large", str(e), CLOSE)
        except request_body.UnknownEncoding as e:
            return Answer(415, "encoding", str(e))

    def _slow(self) -> Answer:
        return Answer(408, "slow", f"the body took more than {self._limits.read_seconds:g} s", CLOSE)

    async def _read_and_judge(
        self, receiver: Receiver, head: Head, chunks: AsyncIterator[bytes], seat: Seat, clock: asyncio.Timeout
    ) -> tuple[Received, bytes]:
        cap, encoding = self._limits.body_bytes, head.headers.get("content-encoding", "")

        def hold(size: int) -> None:
            self._waiting.grow(seat, size, self._monotonic())
            if seat.evicted:
                raise TimeoutError

        def judge() -> tuple[Received, bytes]:
            body = request_body.decoded(wire, encoding, cap)
            return receiver.verify(head.headers, body), body

        def begin() -> None:
            self._waiting.settle(seat)
            clock.reschedule(None)

        wire = await request_body.read(chunks, head.headers.get("content-length"), cap, hold)
        if len(wire) <= SMALL_BYTES and not encoding:
            return judge()
        proven = self._waiting.is_proven(head.peer, self._monotonic())
        return await self._work.do(judge, begin, proven=proven)

    async def _store(self, receiver: Receiver, received: Received, body: bytes, headers: Mapping[str, str]) -> Answer:
        def made() -> tuple[list[Outgoing], bool]:
            return self._records(receiver, received, body, headers)

        records, translated = made() if len(body) <= SMALL_BYTES else await self._work.do(made, proven=True)
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
