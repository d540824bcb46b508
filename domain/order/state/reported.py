"""What an order was told, as kept in its state: the newest snapshot's header, and facts that are never changed, only replaced."""

from __future__ import annotations

import msgspec

from domain.records.values import Address, RefundLine

__all__ = [
    "Cancel",
    "CancelRefund",
    "Flag",
    "Fulfilment",
    "Header",
    "Hold",
    "Judged",
    "PaymentFact",
    "RefundFact",
    "Scan",
    "StoredAddress",
]


class StoredAddress(Address, frozen=True, array_like=True):
    """An address, stored without its field names."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    """The order as its newest snapshot shows it, without the lines; names as in ``values.Order``, ``Client`` and ``Delivery``.

    ``content_hash`` breaks the tie between two snapshots of the same ``version``. ``problems``: (code, field, detail).
    ``payments``: (payment id, gateway, captured), which credits go back to.
    """

    version: int
    content_hash: str
    name: str
    created_at: int
    currency: str
    payment_state: str
    customer_key: str
    email: str
    phone: str
    language: str
    ship_to: StoredAddress
    ship_method: str
    service_level: str
    carrier: str
    latest_delivery: int | None
    total: int
    shipping_total: int
    shipping_tax: int
    tax_included: bool
    tags: list[str]
    payments: list[tuple[str, str, int]]
    problems: list[tuple[str, str, str]]
    risk: str
    test: bool
    fulfilled_by: str
    cancelled_at: int | None
    cancel_reason: str
    billing_country: str = ""
    discount: int = 0
    exchange_for: str = ""


class Scan(msgspec.Struct, frozen=True, array_like=True):
    """A carrier's scan that came before its shipment."""

    shipment_id: str
    allocation_id: str
    tracking_number: str
    status: str
    detail: str
    occurred_at: int


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """Why an order may not move. ``actor``: who placed it (``checks``, ``orders``, a person); ``since``: UTC ms.

    ``soft``: what is with a WMS stays there (our own hold after one pick order failed must not recall the others).
    """

    reason: str
    actor: str
    since: int
    soft: bool = False


class Flag(msgspec.Struct, frozen=True, array_like=True):
    """What a fraud rule (its name is the key) found: the hold it calls for, since when (UTC ms), by which version of the rules.

    ``pool``: the pool found it when units were asked for; ``failed``: the rule could not be judged.
    """

    hold: str
    why: str
    since: int
    version: str
    pool: bool = False
    failed: bool = False


class Judged(msgspec.Struct, frozen=True, array_like=True):
    """What rules made of the order: ``flags`` by rule; ``accepted``: the fraud rule that let it pass; ``recheck``: when a Tick has
    it judged anew, UTC ms (a hold ends by itself, or a rule could not be judged); 0: never.
    """

    flags: dict[str, Flag] = {}
    accepted: str = ""
    recheck: int = 0


class Cancel(msgspec.Struct, frozen=True, array_like=True):
    """A cancellation as told; no lines means all. ``confirm``: the channel is to be told what came of it."""

    reason: str
    lines: dict[str, int]
    confirm: bool = False


class PaymentFact(msgspec.Struct, frozen=True, array_like=True):
    """A payment transaction as told."""

    kind: str
    status: str
    amount: int


class RefundFact(msgspec.Struct, frozen=True, array_like=True):
    """Money the channel gave back."""

    amount: int
    currency: str
    lines: list[RefundLine]


class CancelRefund(msgspec.Struct, frozen=True, array_like=True):
    """What a channel was asked to pay back for units cancelled by us (key: the effect's id). Minor units, with tax.

    ``lines``: (line id, units, amount, tax); ``payments``: (payment id, amount). ``answered``: the channel did so; ``reference``: its refund's
    id, by which its echo is known. ``failed``: it could not be told, so nothing went back.
    """

    amount: int
    lines: list[tuple[str, int, int, int]]
    payments: list[tuple[str, int]]
    answered: bool = False
    reference: str = ""
    failed: bool = False


class Fulfilment(msgspec.Struct, frozen=True, array_like=True):
    """A fulfilment the channel knows of; ``stamp`` orders its reports (the part of the idempotency key behind ``@``)."""

    stamp: int
    status: str
    lines: dict[str, int]
    carrier: str
    tracking_number: str
