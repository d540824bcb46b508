"""What follows from what was found wrong with an order: holds, or a refusal. The rules decide; nothing here looks anything up."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .rules import CheckRule, RuleSet

__all__ = ["HARMLESS_RISK", "UNPAYABLE", "Transaction", "Verdict", "is_paid", "judge"]

HARMLESS_RISK = frozenset({"", "low", "none", "normal", "accept", "pending"})
"""Risk levels of the channels that say nothing against an order; every other one is the problem ``risk.LEVEL``."""

UNPAYABLE = frozenset({"refunded", "voided"})
"""Payment states after which older transactions count for nothing: the money went back."""

Transaction = tuple[str, str, int]
"""A payment's kind, status and amount, as in ``commands.PaymentChanged``."""


class Verdict(msgspec.Struct, frozen=True):
    """``holds``: name → why. ``refusal``: why the order is not to be fulfilled at all, else ``""``."""

    holds: dict[str, str]
    refusal: str = ""


def judge(
    problems: Iterable[tuple[str, str, str]],
    *,
    risk: str,
    payment_state: str,
    total: int,
    transactions: Iterable[Transaction],
    rules: RuleSet,
) -> Verdict:
    """The verdict on an order. ``problems`` are (code, field, detail); the first rule that matches one decides; none: nothing follows."""
    holds: dict[str, list[str]] = {}
    found = [*problems] if risk in HARMLESS_RISK else [*problems, (f"risk.{risk}", "risk", "")]
    for code, field, detail in found:
        rule = _rule(code, rules.checks)
        if rule is None or rule.action == "ignore":
            continue
        why = " ".join(x for x in (code, field, detail) if x)
        if rule.action == "refuse":
            return Verdict({}, why)
        holds.setdefault(rule.hold, []).append(why)
    if not is_paid(payment_state, total, transactions, rules.paid_states):
        holds.setdefault("AWAITING_PAYMENT", []).append(f"payment is {payment_state or 'unknown'}")
    return Verdict({name: "; ".join(why) for name, why in holds.items()})


def _rule(code: str, rules: Iterable[CheckRule]) -> CheckRule | None:
    return next((r for r in rules if code.startswith(r.problem)), None)


def is_paid(state: str, total: int, transactions: Iterable[Transaction], paid_states: list[str]) -> bool:
    """May the order ship, as to its money: its state says so, or its transactions cover the total (authorized or captured).

    Transactions can be ahead of the order's own state, which comes with its next snapshot; not after the money went back.
    """
    if state in paid_states:
        return True
    if state in UNPAYABLE:
        return False
    authorized = captured = count = 0
    for kind, status, amount in transactions:
        if status != "success":
            continue
        count += 1
        if kind in ("capture", "sale"):
            captured += amount
        elif kind == "authorization":
            authorized += amount
        elif kind == "void":
            authorized -= amount
        elif kind == "refund":
            captured -= amount
    return count > 0 and max(authorized, captured) >= total
