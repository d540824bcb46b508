"""Judging an order by the rules: its payment, what the checks at the edge found, what the fraud rules say, here and in the pool.

Judged with every snapshot and payment, and by a Tick where a hold is to end by itself or a rule could not be judged. A rule that finds
the same again keeps the time it first did. What the pool found stays until other rules are in force: then it is asked anew.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain.records.values import RuleHit
from domain.rules.checks import Verdict, judge
from domain.rules.conditions import Facts
from domain.rules.fraud import Fraud, Look, compiled_fraud, needs_history, until
from domain.rules.fraud import judge as judge_fraud
from domain.rules.hashes import address_hash, hashed
from domain.rules.ruleset import RuleSet

from .captures import own_currency
from .condition_facts import of_order
from .ledger import ledger
from .session import Turn
from .state.order import OrderState
from .state.reported import Flag, Header, Judged
from .state.status import is_live

__all__ = ["check", "due", "flag", "is_waived", "waivers"]

HOUR_MS = 3_600_000
_JOIN = "; "
_NOTHING = Judged()


def check(turn: Turn) -> None:
    """Judge the order by the rules in force: what holds it now, or why it is refused."""
    s, h = turn.state, turn.state.header
    if h is None or h.fulfilled_by == "channel":
        s.found, s.judged = {}, _NOTHING
        return
    facts = of_order(s, h, turn.rules, turn.command.time)
    transactions = [(p.kind, p.status, p.amount) for p in s.payments.values() if own_currency(s, p)]
    total = h.total
    if h.exchange_for:  # what is still to go out, against all that was moved to it or paid for it
        account = ledger(s)
        total = sum(v.gross for v in account.value.values()) - sum(account.gross.values())
        transactions = [("sale", "success", account.cap)]
    verdict = judge(
        h.problems,
        risk=h.risk,
        payment_state=h.payment_state,
        total=total,
        transactions=transactions,
        rules=turn.rules,
        conditions=turn.conditions,
        facts=facts,
    )
    s.found = verdict.holds
    s.refused = s.refused or verdict.refusal
    if (turn.rules.fraud or s.judged.flags or verdict.failed) and not h.exchange_for:
        _fraud(turn, h, facts, verdict)
    else:
        s.judged = _NOTHING


def _fraud(turn: Turn, h: Header, facts: Facts, verdict: Verdict) -> None:
    s, fraud = turn.state, compiled_fraud(turn.rules)
    hits, accepted = judge_fraud(fraud.order, fraud, Look(turn.conditions, facts, lambda: _watched(h, fraud.kinds)))
    if not (hits or s.judged.flags or verdict.failed):
        s.judged = Judged(accepted=accepted) if accepted else _NOTHING
        return
    flags = _flags(turn, hits, fraud, facts)
    s.refused = s.refused or next((hit.why for hit in hits if not hit.hold), "")
    held = {name: f for name, f in flags.items() if _holds(turn, fraud, name, f, facts)}
    s.found = _merged(verdict.holds, held.values())
    s.judged = Judged(flags, accepted, _recheck(turn, fraud, held, verdict))


def _watched(h: Header, kinds: frozenset[str]) -> frozenset[str]:
    """The order's hashes of these kinds; making all of them takes longer than all the rest."""
    found = set()
    if "address" in kinds:
        found.add(f"address:{address_hash(h.ship_to)}")
    if "customer" in kinds and h.customer_key:
        found.add(f"customer:{h.customer_key}")
    if "email" in kinds and h.email:
        found.add(hashed("email", h.email))
    if "domain" in kinds and h.email:
        found.add(hashed("domain", h.email.rpartition("@")[2]))
    if "phone" in kinds and h.phone:
        found.add(hashed("phone", h.phone))
    return frozenset(found)


def _flags(turn: Turn, hits: Iterable[RuleHit], fraud: Fraud, facts: Facts) -> dict[str, Flag]:
    s, flags = turn.state, dict[str, Flag]()
    version, now = turn.rules.version, turn.command.time
    for name, f in s.judged.flags.items():
        # The pool judges by other rules now; but what was released once is not held again for the same.
        if f.pool and (f.version == version or not _holds(turn, fraud, name, f, facts) or _waived(s, f)):
            flags[name] = f
    for hit in hits:
        if hit.hold:
            known = s.judged.flags.get(hit.rule)
            same = known is not None and not known.pool and known.why == hit.why
            flags[hit.rule] = Flag(
                hit.hold, hit.why, known.since if known and same else now, version, False, hit.failed
            )
    return flags


def _holds(turn: Turn, fraud: Fraud, name: str, f: Flag, facts: Facts) -> bool:
    rule = fraud.by_name.get(name)
    if rule is None:
        return True
    over = rule.release_after_hours and f.since + rule.release_after_hours * HOUR_MS <= turn.command.time
    return not over and not until(rule, turn.conditions, facts)


def _waived(s: OrderState, f: Flag) -> bool:
    return is_waived(s.waived.get(f.hold, ""), f.why)


def is_waived(waived: str, why: str) -> bool:
    """Was every one of these reasons released by hand before?"""
    return set(why.split(_JOIN)) <= set(waived.split(_JOIN))


def _merged(holds: dict[str, str], flags: Iterable[Flag]) -> dict[str, str]:
    found = dict(holds)
    for f in flags:
        found[f.hold] = _JOIN.join([found[f.hold], f.why]) if f.hold in found else f.why
    return found


def _recheck(turn: Turn, fraud: Fraud, held: dict[str, Flag], verdict: Verdict) -> int:
    """When a hold ends by itself; or in an hour, where a rule failed: it may be mended by then."""
    times = []
    for name, f in held.items():
        rule = fraud.by_name.get(name)
        if rule is not None and rule.release_after_hours:
            times.append(f.since + rule.release_after_hours * HOUR_MS)
        if f.failed:
            times.append(turn.command.time + HOUR_MS)
    if verdict.failed:
        times.append(turn.command.time + HOUR_MS)
    return min(times, default=0)


def flag(turn: Turn, hits: Iterable[RuleHit], decision: str) -> None:
    """The pool found something: remember it, and judge the order with it. ``decision``: its record."""
    s, now = turn.state, turn.command.time
    new = {hit.rule: Flag(hit.hold, hit.why, now, turn.rules.version, True, hit.failed) for hit in hits if hit.hold}
    s.judged = msgspec.structs.replace(s.judged, flags={**s.judged.flags, **new})
    s.refused = s.refused or next((hit.why for hit in hits if not hit.hold), "")
    turn.decision = decision
    check(turn)


def due(turn: Turn) -> None:
    """A Tick: judge anew what is due. An order that somebody released meanwhile is left in peace."""
    s = turn.state
    if 0 < s.judged.recheck <= turn.command.time:
        if s.holds and is_live(s):
            check(turn)
        else:
            s.judged = msgspec.structs.replace(s.judged, recheck=0)


def waivers(judged: Judged, rules: RuleSet) -> list[str]:
    """The rules that the pool is not to judge an order by: released before, or after one that accepted it."""
    names = [name for name, f in judged.flags.items() if f.pool]
    order = [r.name for r in rules.fraud]
    if judged.accepted in order:
        after = rules.fraud[order.index(judged.accepted) + 1 :]
        names += [r.name for r in after if needs_history(r) and r.name not in names]
    return names
