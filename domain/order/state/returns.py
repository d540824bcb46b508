"""What is kept of an order's returns: one book an order, and only where there is something to keep.

Arrays on the wire, as in ``order_state``: a new field goes to the END of its struct with a default. The book is copied whole before a command
changes it (``order_state.clone``), so everything here may be changed in place.
"""

from __future__ import annotations

import msgspec

from domain.records.values import ExchangeLine

__all__ = ["GOOD", "Book", "CreditFact", "Parcel", "Problem", "Receipt", "Rma", "RmaLine"]

GOOD = ("RESTOCK", "B_GRADE", "WRITE_OFF")
"""Dispositions of goods that are there."""


class RmaLine(msgspec.Struct, array_like=True):
    """Units of one order line in a return. ``found``: units by disposition; ``credited``: units credited, by disposition.

    ``dropped``: units that will not come (expired, or not approved). ``outside``: of ``credited``, refunded by the channel itself.
    ``allowed``: MISSING or WRONG_ITEM units that a person lets us credit. ``fee_base``, ``fee``: gross that bore a restocking fee, and the fee.
    ``owed``: units that the channel had cancelled, and of which a person says that it did not pay them back.
    """

    line_id: str
    sku: str
    qty: int
    reason: str = ""
    comment: str = ""
    received: int = 0
    dropped: int = 0
    found: dict[str, int] = {}
    credited: dict[str, int] = {}
    outside: int = 0
    allowed: int = 0
    fee_base: int = 0
    fee: int = 0
    owed: int = 0

    @property
    def good(self) -> int:
        """Units that came back and were looked at."""
        return sum(self.found.get(text, 0) for text in GOOD)

    @property
    def settled(self) -> int:
        """Units of which nothing more is to be expected at the dock."""
        return sum(self.found.values()) + self.dropped

    @property
    def coming(self) -> int:
        """Units that may still arrive."""
        return max(0, self.qty - self.dropped - max(self.received, self.good) - self.lost)

    @property
    def lost(self) -> int:
        """Units that an inspection did not find, or in whose place it found something else."""
        return self.found.get("MISSING", 0) + self.found.get("WRONG_ITEM", 0)

    @property
    def due(self) -> dict[str, int]:
        """Units that are to be credited and are not yet, by disposition."""
        owed = {
            text: n - self.credited.get(text, 0)
            for text in GOOD
            if (n := self.found.get(text, 0)) > self.credited.get(text, 0)
        }
        if self.allowed > self.credited.get("ALLOWED", 0):
            owed["ALLOWED"] = self.allowed - self.credited.get("ALLOWED", 0)
        return owed


class Receipt(msgspec.Struct, array_like=True):
    """What a WMS told of one receipt, cumulative: ``got`` by line or SKU, ``found`` by ``line or SKU|DISPOSITION``."""

    id: str
    wms: str
    depot: str
    got: dict[str, int] = {}
    found: dict[str, int] = {}


class Problem(msgspec.Struct, array_like=True):
    """An exception. ``kind``: MISSING, WRONG_ITEM, UNEXPECTED (nobody announced it), LOST, LATE, NO_RMA, UNKNOWN, EXCHANGE,
    CORRECTION, REFUND (the channel cancelled the units, and told of no refund).

    ``state``: open, credited, refused, accepted, assigned, turned_up.
    """

    id: str
    kind: str
    line_id: str
    sku: str
    qty: int
    depot: str = ""
    note: str = ""
    at: int = 0
    state: str = "open"


class CreditFact(msgspec.Struct, array_like=True):
    """A credit. ``lines``: (line id, units, amount, tax); ``fees``: (kind, amount, tax); ``payments``: (payment id, amount).

    ``goods``: the part that an exchange's goods stand for, ``moved`` by payment to that order (below 0: back from it); ``amount``: what goes
    back in money; ``set_off``: what the channel had paid back before, for no units in particular. ``status``: PENDING, PAID, MANUAL (a
    person must see to it: ``error`` says why), REFUSED (by a person). ``short``: MANUAL because not so much was captured: it is paid
    once it is. ``sent``: the effect went out. ``told``: what the family's first order knows of it.
    """

    id: str
    amount: int
    tax: int
    lines: list[tuple[str, int, int, int]]
    shipping: int = 0
    shipping_tax: int = 0
    fees: list[tuple[str, int, int]] = []
    payments: list[tuple[str, int]] = []
    goods: int = 0
    status: str = "PENDING"
    reference: str = ""
    error: str = ""
    sent: bool = False
    at: int = 0
    moved: list[tuple[str, int]] = []
    set_off: int = 0
    short: bool = False
    told: str = ""

    @property
    def counts(self) -> bool:
        """Its money is gone or kept for it."""
        return self.status != "REFUSED" and not (self.status == "MANUAL" and self.short)


class Rma(msgspec.Struct, array_like=True):
    """A return. ``decision``: "" (a person's turn), approved, declined; ``ended``: DECLINED, CANCELLED, EXPIRED, CLOSED.

    ``judged``: the policy was asked. ``label``: "", ASKED, SENT; ``moving``: the carrier has the parcel. ``receipts`` by WMS and number.
    ``exchange_key``: the new order; ``covered``: the value of its goods that the returned ones stand for; ``released``: it may ship.
    ``expires``: UTC ms, 0: never. ``theirs``: the channel handles it itself, we only watch. ``effects``: effect id → what it was for.
    """

    id: str
    kind: str
    via: str
    at: int
    lines: list[RmaLine]
    decision: str = ""
    ended: str = ""
    reason: str = ""
    actor: str = ""
    judged: bool = False
    return_id: str = ""
    channel_rma: str = ""
    payer: str = ""
    depot: str = ""
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    label: str = ""
    label_ref: str = ""
    moving: str = ""
    cost: int = 0
    cost_currency: str = ""
    expires: int = 0
    receipts: dict[str, Receipt] = {}
    problems: list[Problem] = []
    credits: list[CreditFact] = []
    exchange: list[ExchangeLine] = []
    exchange_key: str = ""
    covered: int = 0
    released: bool = False
    amount: int | None = None
    theirs: bool = False
    told: str = ""
    effects: dict[str, str] = {}
    received_at: int = 0
    charged: int = 0

    @property
    def live(self) -> bool:
        """Approved and not over."""
        return self.decision == "approved" and not self.ended

    @property
    def open_problems(self) -> list[Problem]:
        """Exceptions that wait for a person."""
        return [problem for problem in self.problems if problem.state == "open"]


class Parcel(msgspec.Struct, array_like=True):
    """Goods at the dock that belong to no return we know. ``to``: the order they were found to be of; what is still told goes there."""

    receipt: Receipt
    rma_text: str
    tracking_number: str
    at: int
    problem: Problem
    to: str = ""
    rma: str = ""


class Book(msgspec.Struct, array_like=True):
    """All returns of an order. ``next``: the next RMA's number; ``due``: when a Tick has something to do, UTC ms, 0: never."""

    rmas: list[Rma] = []
    parcels: list[Parcel] = []
    next: int = 1
    due: int = 0
