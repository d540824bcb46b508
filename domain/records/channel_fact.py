"""What every report of a channel or a person about an order begins with."""

from __future__ import annotations

from .record import Record

__all__ = ["ChannelFact"]


class ChannelFact(Record, frozen=True):
    """What every report of a channel about one of its orders begins with."""

    order_key: str
    idempotency_key: str
    delivery_id: str
    content_hash: str
