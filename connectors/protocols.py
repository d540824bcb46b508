"""What every channel and 3PL connector gives: a receiver of webhooks, pollers, a sender of effects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import msgspec

from connectors import bounds
from domain.records.commands import OrderCommand, PoolCommand
from domain.records.effects import ChannelRefetch, Effect, Sent
from domain.records.raw_delivery import RawDelivery

__all__ = [
    "BadSignature",
    "Polled",
    "Poller",
    "Received",
    "Receiver",
    "Sender",
    "Translation",
    "TranslationError",
    "Unreadable",
]


class BadSignature(Exception):
    """The signature is missing or wrong: 401, and nothing is kept."""


class Unreadable(ValueError):
    """The body is not what the channel sends (no JSON, too deep, no topic): 400, and nothing is kept."""


class TranslationError(ValueError):
    """A delivery that is genuine but can't be translated; ``field`` is the path to what is wrong. It goes to the DLQ."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Translation(msgspec.Struct, frozen=True):
    """The canonical records of one delivery: facts for orders and pools, and what has to be fetched anew.

    Made only of records in range (``connectors.bounds``), so no connector can forget to look. Raises TranslationError.
    """

    orders: list[OrderCommand] = []
    pools: list[PoolCommand] = []
    refetch: list[ChannelRefetch] = []

    def __post_init__(self) -> None:
        """Look at every record."""
        try:
            for record in (*self.orders, *self.pools, *self.refetch):
                bounds.check(record)
        except bounds.OutOfRange as e:
            raise TranslationError(e.field, e.message) from e


class Received(msgspec.Struct, frozen=True):
    """What the headers of a verified delivery say: topic as the channel names it, the channel's event id, all kept headers."""

    topic: str
    delivery_id: str
    headers: dict[str, str]


class Receiver(Protocol):
    """One account's webhooks.

    ``signature_header``: base64 of an HMAC-SHA256 stands there. ``named_by``: the headers that name topic and event. Each may come once, and all are
    looked at before the body is read.
    """

    channel: str
    account: str
    signature_header: str
    named_by: tuple[str, ...]

    def verify(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Check signature and form (header names are lower case). Raises BadSignature or Unreadable."""
        ...

    def translate(self, received: Received, body: bytes, now: int, trace: str) -> Translation:
        """Translate a delivery, without any IO. Raises TranslationError where it can't be read."""
        ...


class Polled(msgspec.Struct, frozen=True):
    """One answer of a poll: the raw deliveries in it, their translations, and the cursor to store in the same transaction."""

    raw: list[RawDelivery]
    translations: list[Translation | TranslationError]
    cursor: bytes | None = None


class Poller(Protocol):
    """One feed of one account (orders, returns, a WMS's statuses). ``name`` keys its cursor: ``connector:account:feed``."""

    name: str
    every_seconds: float

    def poll(self, cursor: bytes | None, now: int) -> AsyncIterator[Polled]:
        """One round from the cursor on, a page at a time. Raises httpx errors; the next round begins at the last cursor."""
        ...


class Sender(Protocol):
    """Carries out the effects of one target."""

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt, with ``effect.event_id`` as the idempotency key. Never raises for what the other side did."""
        ...

    async def close(self) -> None:
        """Close the connections that are open."""
        ...
