"""What an order was told, as kept in its state: the newest snapshot's header, and facts that are never changed, only replaced."""

from __future__ import annotations

import msgspec

from domain.records.values import Address, RefundLine

__all__ = [
    "FAILED",
    "Cancel",
    "CancelRefund",
    "FamilyCredit",
    "Flag",
    "Fulfilment",
    "Header",
    "Hold",
    "Judged",
    "PaymentFact",
    "RefundFact",
    "RefundPart",
    "Scan",
    "StoredAddress",
]


class StoredAddress(Address, frozen=True, array_like=True):
    """An address, stored without its field names."""


class Header(msgspec.Struct, frozen=True, array_like=True):
    """The order as its newest snapshot shows it, without the lines; names as in ``values.Order``, ``Client`` and ``Delivery``.

    ``content_hash`` breaks the tie between two snapshots of the same ``version``. ``problems``: (code, field, detail).
    ``payments``: (payment id, gateway, captured), which credits go back to. ``stands_for``: (line id, SKU, units, what was paid).
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
    root: str = ""
    stands_for: list[tuple[str, str, int, int]] = []


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
    """A payment transaction as told; names as in ``commands.PaymentChanged``. ``at``: when it was told first, UTC ms."""

    kind: str
    status: str
    amount: int
    currency: str = ""
    payment_id: str = ""
    gateway: str = ""
    at: int = 0


FAILED = frozenset({"failure", "error"})
"""A transaction that came to nothing."""


class RefundPart(msgspec.Struct, frozen=True, array_like=True):
    """One transaction of a refund: the payment it goes back to, its status (pending, success, failure) and amount."""

    payment_id: str
    status: str
    amount: int


class RefundFact(msgspec.Struct, frozen=True, array_like=True):
    """Money the channel gave back: ``amount`` has arrived. ``parts``: by transaction, where they are told; ``at``: when it was told first, UTC ms."""

    amount: int
    currency: str
    lines: list[RefundLine]
    parts: dict[str, RefundPart] = {}
    at: int = 0

    @property
    def gone(self) -> int:
        """What has arrived or is on its way: nothing of it can be given back a second time."""
        if not self.parts:
            return self.amount
        return sum(part.amount for part in self.parts.values() if part.status not in FAILED)

    @property
    def failed(self) -> bool:
        """Each of its transactions failed: it gave nothing back, whatever its lines say."""
        return bool(self.parts) and all(part.status in FAILED for part in self.parts.values())


class FamilyCredit(msgspec.Struct, frozen=True, array_like=True):
    """A credit of one of the order's exchanges (key: its id); names as in ``commands.ExchangeCredited``.

    ``at``: when it was told first, UTC ms; ``settled_by``: the channel's refund that was handed on to it.
    """

    order_key: str
    rma_id: str
    status: str
    amount: int
    lines: list[tuple[str, int]]
    payments: list[tuple[str, int]]
    reference: str
    sent: bool
    at: int
    settled_by: str = ""


class CancelRefund(msgspec.Struct, frozen=True, array_like=True):
    """What a channel was asked to pay back for units cancelled by us (key: the effect's id). Minor units, with tax.

    ``lines``: (line id, units, amount, tax); ``payments``: (payment id, amount). ``answered``: the channel did so; ``reference``: its refund's
    id, by which its echo is known. ``failed``: it could not be told, so nothing went back. ``complete``: the order was cancelled as a whole, and
    its channel refunds it under an id of its own. ``moved``: of an exchange, back to the order it came from, not to the customer.
    """

    amount: int
    lines: list[tuple[str, int, int, int]]
    payments: list[tuple[str, int]]
    answered: bool = False
    reference: str = ""
    failed: bool = False
    shipping: int = 0
    shipping_tax: int = 0
    complete: bool = False
    moved: bool = False
    at: int = 0


class Fulfilment(msgspec.Struct, frozen=True, array_like=True):
    """A fulfilment the channel knows of; ``stamp`` orders its reports (the part of the idempotency key behind ``@``)."""

    stamp: int
    status: str
    lines: dict[str, int]
    carrier: str
    tracking_number: str
