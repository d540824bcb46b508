"""What follows from what was found wrong with an order: holds, or a refusal. The rules decide; nothing here looks anything up."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .conditions import UNCOMPILED, ConditionFailed, Conditions, Facts
from .ruleset import CheckRule, RuleSet

__all__ = ["HARMLESS_RISK", "UNPAYABLE", "Transaction", "Verdict", "balance", "is_paid", "judge"]

HARMLESS_RISK = frozenset({"", "low", "none", "normal", "accept", "pending"})
"""Risk levels of the channels that say nothing against an order; every other one is the problem ``risk.LEVEL``."""

UNPAYABLE = frozenset({"refunded", "voided"})
"""Payment states after which older transactions count for nothing: the money went back."""

Transaction = tuple[str, str, int]
"""A payment's kind, status and amount, as in ``commands.PaymentChanged``."""


class Verdict(msgspec.Struct, frozen=True):
    """``holds``: name → why. ``refusal``: why the order is not to be fulfilled at all, else ``""``. ``failed``: a rule's condition
    could not be judged, which is one of the reasons.
    """

    holds: dict[str, str]
    refusal: str = ""
    failed: bool = False


def _no_facts(_name: str) -> object:
    return None


def judge(
    problems: Iterable[tuple[str, str, str]],
    *,
    risk: str,
    payment_state: str,
    total: int,
    transactions: Iterable[Transaction],
    rules: RuleSet,
    conditions: Conditions = UNCOMPILED,
    facts: Facts = _no_facts,
) -> Verdict:
    """The verdict on an order. ``problems`` are (code, field, detail); the first rule that matches one decides; none: nothing follows.

    A rule whose condition fails holds the order.
    """
    holds: dict[str, list[str]] = {}
    failed = False
    found = [*problems] if risk in HARMLESS_RISK else [*problems, (f"risk.{risk}", "risk", "")]
    for code, field, detail in found:
        why = " ".join(text for text in (code, field, detail) if text)
        try:
            rule = _rule(code, rules.checks, conditions, facts)
        except _Failed as e:
            failed = True
            holds.setdefault(e.hold, []).append(f"{why} ({e.why})")
            continue
        if rule is None or rule.action == "ignore":
            continue
        if rule.action == "refuse":
            return Verdict({}, why)
        holds.setdefault(rule.hold, []).append(why)
    if not is_paid(payment_state, total, transactions, rules.paid_states):
        holds.setdefault("AWAITING_PAYMENT", []).append(f"payment is {payment_state or 'unknown'}")
    return Verdict({name: "; ".join(why) for name, why in holds.items()}, failed=failed)


class _Failed(Exception):
    def __init__(self, rule: CheckRule, why: str) -> None:
        super().__init__(why)
        self.hold = rule.hold
        self.why = f"checks.{rule.problem} could not be judged: {why}"


def _rule(code: str, rules: Iterable[CheckRule], conditions: Conditions, facts: Facts) -> CheckRule | None:
    for rule in rules:
        if not code.startswith(rule.problem):
            continue
        try:
            if not rule.when or conditions.holds(rule.when, facts):
                return rule
        except ConditionFailed as e:
            raise _Failed(rule, e.why) from e
    return None


def is_paid(state: str, total: int, transactions: Iterable[Transaction], paid_states: list[str]) -> bool:
    """May the order ship, as to its money: its state says so, or its transactions cover the total (authorized or captured).

    Transactions can be ahead of the order's own state, which comes with its next snapshot; not after the money went back.
    """
    if state in paid_states:
        return True
    if state in UNPAYABLE:
        return False
    authorized, captured, count = balance(transactions)
    return count > 0 and max(authorized, captured) >= total


def balance(transactions: Iterable[Transaction]) -> tuple[int, int, int]:
    """What is authorized and what is captured now, and how many transactions succeeded; minor units."""
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
    return authorized, captured, count
