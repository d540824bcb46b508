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
from .session import OrderSession
from .state.order import OrderState
from .state.reported import Flag, Header, Judged
from .state.status import is_live

__all__ = ["check", "due", "flag", "is_waived", "waivers"]

HOUR_MS = 3_600_000
_JOIN = "; "
_NOTHING = Judged()


def check(session: OrderSession) -> None:
    """Judge the order by the rules in force: what holds it now, or why it is refused."""
    order, header = session.state, session.state.header
    if header is None or header.fulfilled_by == "channel":
        order.found, order.judged = {}, _NOTHING
        return
    facts = of_order(order, header, session.rules, session.command.time)
    transactions = [
        (payment.kind, payment.status, payment.amount)
        for payment in order.payments.values()
        if own_currency(order, payment)
    ]
    total = header.total
    if header.exchange_for:  # what is still to go out, against all that was moved to it or paid for it
        account = ledger(order)
        total = sum(line_value.gross for line_value in account.value.values()) - sum(account.gross.values())
        transactions = [("sale", "success", account.cap)]
    verdict = judge(
        header.problems,
        risk=header.risk,
        payment_state=header.payment_state,
        total=total,
        transactions=transactions,
        rules=session.rules,
        conditions=session.conditions,
        facts=facts,
    )
    order.found = verdict.holds
    order.refused = order.refused or verdict.refusal
    if (session.rules.fraud or order.judged.flags or verdict.failed) and not header.exchange_for:
        _fraud(session, header, facts, verdict)
    else:
        order.judged = _NOTHING


def _fraud(session: OrderSession, header: Header, facts: Facts, verdict: Verdict) -> None:
    order, fraud = session.state, compiled_fraud(session.rules)
    hits, accepted = judge_fraud(
        fraud.order, fraud, Look(session.conditions, facts, lambda: _watched(header, fraud.kinds))
    )
    if not (hits or order.judged.flags or verdict.failed):
        order.judged = Judged(accepted=accepted) if accepted else _NOTHING
        return
    flags = _flags(session, hits, fraud, facts)
    order.refused = order.refused or next((hit.why for hit in hits if not hit.hold), "")
    held = {name: item for name, item in flags.items() if _holds(session, fraud, name, item, facts)}
    order.found = _merged(verdict.holds, held.values())
    order.judged = Judged(flags, accepted, _recheck(session, fraud, held, verdict))


def _watched(header: Header, kinds: frozenset[str]) -> frozenset[str]:
    """The order's hashes of these kinds; making all of them takes longer than all the rest."""
    found = set()
    if "address" in kinds:
        found.add(f"address:{address_hash(header.ship_to)}")
    if "customer" in kinds and header.customer_key:
        found.add(f"customer:{header.customer_key}")
    if "email" in kinds and header.email:
        found.add(hashed("email", header.email))
    if "domain" in kinds and header.email:
        found.add(hashed("domain", header.email.rpartition("@")[2]))
    if "phone" in kinds and header.phone:
        found.add(hashed("phone", header.phone))
    return frozenset(found)


def _flags(session: OrderSession, hits: Iterable[RuleHit], fraud: Fraud, facts: Facts) -> dict[str, Flag]:
    order, flags = session.state, dict[str, Flag]()
    version, now = session.rules.version, session.command.time
    for name, item in order.judged.flags.items():
        # The pool judges by other rules now; but what was released once is not held again for the same.
        if item.pool and (
            item.version == version or not _holds(session, fraud, name, item, facts) or _waived(order, item)
        ):
            flags[name] = item
    for hit in hits:
        if hit.hold:
            known = order.judged.flags.get(hit.rule)
            same = known is not None and not known.pool and known.why == hit.why
            flags[hit.rule] = Flag(
                hit.hold, hit.why, known.since if known and same else now, version, False, hit.failed
            )
    return flags


def _holds(session: OrderSession, fraud: Fraud, name: str, f: Flag, facts: Facts) -> bool:
    rule = fraud.by_name.get(name)
    if rule is None:
        return True
    over = rule.release_after_hours and f.since + rule.release_after_hours * HOUR_MS <= session.command.time
    return not over and not until(rule, session.conditions, facts)


def _waived(order: OrderState, f: Flag) -> bool:
    return is_waived(order.waived.get(f.hold, ""), f.why)


def is_waived(waived: str, why: str) -> bool:
    """Was every one of these reasons released by hand before?"""
    return set(why.split(_JOIN)) <= set(waived.split(_JOIN))


def _merged(holds: dict[str, str], flags: Iterable[Flag]) -> dict[str, str]:
    found = dict(holds)
    for f in flags:
        found[f.hold] = _JOIN.join([found[f.hold], f.why]) if f.hold in found else f.why
    return found


def _recheck(session: OrderSession, fraud: Fraud, held: dict[str, Flag], verdict: Verdict) -> int:
    """When a hold ends by itself; or in an hour, where a rule failed: it may be mended by then."""
    times = []
    for name, item in held.items():
        rule = fraud.by_name.get(name)
        if rule is not None and rule.release_after_hours:
            times.append(item.since + rule.release_after_hours * HOUR_MS)
        if item.failed:
            times.append(session.command.time + HOUR_MS)
    if verdict.failed:
        times.append(session.command.time + HOUR_MS)
    return min(times, default=0)


def flag(session: OrderSession, hits: Iterable[RuleHit], decision: str) -> None:
    """The pool found something: remember it, and judge the order with it. ``decision``: its record."""
    order, now = session.state, session.command.time
    new = {hit.rule: Flag(hit.hold, hit.why, now, session.rules.version, True, hit.failed) for hit in hits if hit.hold}
    order.judged = msgspec.structs.replace(order.judged, flags={**order.judged.flags, **new})
    order.refused = order.refused or next((hit.why for hit in hits if not hit.hold), "")
    session.decision = decision
    check(session)


def due(session: OrderSession) -> None:
    """A Tick: judge anew what is due. An order that somebody released meanwhile is left in peace."""
    order = session.state
    if 0 < order.judged.recheck <= session.command.time:
        if order.holds and is_live(order):
            check(session)
        else:
            order.judged = msgspec.structs.replace(order.judged, recheck=0)


def waivers(judged: Judged, rules: RuleSet) -> list[str]:
    """The rules that the pool is not to judge an order by: released before, or after one that accepted it."""
    names = [name for name, item in judged.flags.items() if item.pool]
    order = [rule.name for rule in rules.fraud]
    if judged.accepted in order:
        after = rules.fraud[order.index(judged.accepted) + 1 :]
        names += [rule.name for rule in after if needs_history(rule) and rule.name not in names]
    return names
