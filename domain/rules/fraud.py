"""Fraud rules: what is suspicious about an order, by itself or beside its customer's other ones, and what follows.

The rules are looked at in turn: ``accept`` ends the list, ``refuse`` decides at once, every ``hold`` counts. A condition that can't be
judged holds the order: nothing suspicious passes because a rule was wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from domain.records.values import RuleHit

from .conditions import ConditionFailed, Conditions, Facts
from .ruleset import FraudRule, RuleSet, Velocity

__all__ = ["Fraud", "Look", "Watched", "compiled_fraud", "judge", "needs_history", "until"]

Watched = Callable[[], frozenset[str]]
"""The hashes an order is looked up by, ``kind:hex`` (``hashes``)."""

Exceeds = Callable[[Velocity], bool]
"""Does the customer exceed it?"""

_CUSTOMER = re.compile(r"\bcustomer\b")


class Fraud(msgspec.Struct, frozen=True):
    """A rule set's fraud rules by where they are judged. ``lists``: name → hashes; ``by_name``: all of them.

    ``kinds``: what is hashed in the lists (``hashes.HASHED``): nothing else of an order need be.
    """

    order: list[FraudRule]
    pool: list[FraudRule]
    lists: dict[str, frozenset[str]]
    by_name: dict[str, FraudRule]
    kinds: frozenset[str]


def needs_history(rule: FraudRule) -> bool:
    """Is it about the customer's other orders? Then the pool judges it, which sees them all."""
    return rule.velocity is not None or _CUSTOMER.search(rule.when) is not None


_known: dict[int, tuple[RuleSet, Fraud]] = {}


def compiled_fraud(rules: RuleSet) -> Fraud:
    """The rules sorted and the lists as sets; made once for a rule set."""
    known = _known.get(id(rules))
    if known is not None and known[0] is rules:
        return known[1]
    fraud = Fraud(
        [rule for rule in rules.fraud if not needs_history(rule)],
        [rule for rule in rules.fraud if needs_history(rule)],
        {name: frozenset(values) for name, values in rules.lists.items()},
        {rule.name: rule for rule in rules.fraud},
        frozenset(value.partition(":")[0] for values in rules.lists.values() for value in values),
    )
    if len(_known) >= 256:
        _known.clear()
    _known[id(rules)] = rules, fraud
    return fraud


class Look(msgspec.Struct, frozen=True):
    """What rules are judged by: the order's facts and hashes; ``exceeds``: of its customer, where that is known."""

    conditions: Conditions
    facts: Facts
    watched: Watched
    exceeds: Exceeds | None = None


def judge(rules: Iterable[FraudRule], fraud: Fraud, look: Look) -> tuple[list[RuleHit], str]:
    """What the rules find, and the rule that accepted the order, ``""``: none. A hit without ``hold`` refuses it, and is alone."""
    hits: list[RuleHit] = []
    for rule in rules:
        try:
            if not _matches(rule, fraud, look):
                continue
        except ConditionFailed as e:
            why = f"fraud.{rule.name} could not be judged: {e.why}"
            hits.append(RuleHit(rule.name, rule.hold, why, failed=True))
            continue
        if rule.action == "accept":
            return hits, rule.name
        why = f"fraud.{rule.name}" + (f": {rule.reason}" if rule.reason else "")
        if rule.action == "refuse":
            return [RuleHit(rule.name, "", why)], ""
        hits.append(RuleHit(rule.name, rule.hold, why))
    return hits, ""


def _matches(rule: FraudRule, fraud: Fraud, look: Look) -> bool:
    if rule.listed and not any(look.watched() & fraud.lists.get(name, frozenset()) for name in rule.listed):
        return False
    if rule.when and not look.conditions.holds(rule.when, look.facts):
        return False
    return rule.velocity is None or (look.exceeds is not None and look.exceeds(rule.velocity))


def until(rule: FraudRule, conditions: Conditions, facts: Facts) -> bool:
    """Has what the hold waits for come? A condition that can't be judged has not."""
    try:
        return bool(rule.until) and conditions.holds(rule.until, facts)
    except ConditionFailed:
        return False
