"""What a carrier gives for a return: a label with its tracking number and its cost, and the label taken back."""

from __future__ import annotations

from typing import Protocol

import msgspec

from domain.records.values import Address

__all__ = ["Carrier", "CarrierRefused", "Label", "LabelRequest"]


class CarrierRefused(Exception):
    """The carrier will not: no attempt with the same request can succeed. The message says what to mend."""


class LabelRequest(msgspec.Struct, frozen=True):
    """A parcel that is to come back. ``key`` is the idempotency key: a UUID, the same on every attempt.

    ``payer``: ``merchant`` or ``customer``; ``service`` as the carrier calls it, ``""`` for its usual one.
    """

    key: str
    rma_id: str
    order_name: str
    sender: Address
    receiver: Address
    payer: str
    service: str = ""


class Label(msgspec.Struct, frozen=True):
    """A label. ``cost`` in minor units of ``currency``, for whom ``payer`` names; ``pdf`` one A6 page; ``zpl`` for 203 dpi."""

    key: str
    carrier: str
    tracking_number: str
    tracking_url: str
    cost: int
    currency: str
    payer: str
    pdf: bytes
    zpl: str


class Carrier(Protocol):
    """One account at a carrier: makes labels."""

    async def make(self, request: LabelRequest) -> Label:
        """A label; the same one for the same key. Raises CarrierRefused, and httpx errors for what never got an answer."""
        ...

    async def void(self, tracking_number: str) -> bool:
        """Take a label back that no parcel has used; again, it changes nothing. False where it is too late."""
        ...

    async def close(self) -> None:
        """Close the connections that are open."""
        ...
