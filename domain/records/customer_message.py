"""What a customer is told: the effect that a mail, SMS or WhatsApp sender carries out."""

from __future__ import annotations

from .record import Record
from .values import MessageCause, MessageLine, MessageParcel

__all__ = ["CustomerMessage"]


class CustomerMessage(Record, frozen=True):
    """Tell the customer. ``event_id`` is made of the order and a number: made again, it is the same message, with the same Message-ID.

    ``target``: ``message:mail``, ``message:sms``, ``message:whatsapp``; ``to``: an e-mail address or E.164 number. ``kind``: what it tells of
    (``notice_rules.NOTICES``), ``causes``: the events behind it, collapsed. ``rule_version``: the rules that decided it. All days are ISO dates
    where the parcel arrives: ``eta`` (``""``: not known), ``eta_before``: what was told or promised before; ``give_up_at``: when what no
    depot can deliver is cancelled, ``valid_until``: until when a return may come, UTC ms, 0: not known. Money in minor units of ``currency``. The
    rest is what templates may say; as it stood when it was decided, so nothing is looked up at sending.
    """

    order_key: str
    target: str
    medium: str
    to: str
    kind: str
    template: str
    language: str
    timezone: str
    causes: list[MessageCause]
    rule_version: str
    order_name: str
    placed_at: int
    customer: str
    country: str
    currency: str
    total: int
    lines: list[MessageLine]
    parcels: list[MessageParcel]
    eta: str
    eta_before: str
    give_up_at: int
    complete: bool
    reason: str
    amount: int
    tax: int
    fees: int
    rma_id: str
    rma_kind: str
    label_url: str
    valid_until: int
