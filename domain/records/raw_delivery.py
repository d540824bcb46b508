"""A delivery exactly as it came: the record of ``wharf.raw``."""

from __future__ import annotations

from .record import Record

__all__ = ["RawDelivery"]


class RawDelivery(Record, frozen=True):
    """One delivery of a channel or WMS. ``transport``: webhook, poll, sftp; ``topic`` as the channel names it."""

    channel: str
    account: str
    topic: str
    delivery_id: str
    transport: str
    headers: dict[str, str]
    body: bytes
