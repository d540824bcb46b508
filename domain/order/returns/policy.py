"""The return policy: may these units come back, who pays, where do they go. Pure; every refusal says why.

A window counts whole calendar days in the rules' timezone: delivered on day 0, 14 days allow day 14 and not day 15.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from domain.order.state.order import OrderState
from domain.rules.returns import ReasonRule, ReturnLocation, Returns, ReturnWindow

__all__ = ["Asked", "Verdict", "at_fault", "days_between", "fault", "judge", "label_for", "location", "window"]


class Asked(msgspec.Struct, frozen=True):
    """Units somebody wants to return: of ``bought`` ones ``shipped`` have left and ``taken`` are in other returns; ``delivered_at``: UTC ms,
    None: not known."""

    line_id: str
    sku: str
    qty: int
    reason: str
    bought: int
    shipped: int
    taken: int
    delivered_at: int | None
    known: bool = True


class Verdict(msgspec.Struct, frozen=True):
    """``refused``: what the rules don't allow; ``hard``: some of it nobody may overrule (more units than were bought);
    ``review``: why a person should decide."""

    refused: list[str]
    review: list[str]
    hard: bool = False


def judge(
    asked: Iterable[Asked], rules: Returns, *, channel: str, account: str, country: str, tags: list[str], now: int
) -> Verdict:
    """The verdict on a request; ``now``: when it was made, UTC ms."""
    refused, review, hard = [], [], False
    days = window(rules, channel, account, country)
    for x in asked:
        if units := _units(x):
            refused.append(units)
            hard = True
            continue
        if any(tag in rules.final_sale_tags for tag in tags) or _final(x.sku, rules.final_sale_skus):
            refused.append(f"final_sale: {x.sku}")
        late, doubt = _late(x, days, rules, now)
        refused += late
        review += doubt
        rule = reason_rule(rules, x.reason)
        if rule is not None and rule.review:
            review.append(f"reason: {x.reason}")
    return Verdict(refused, review, hard)


def _units(asked: Asked) -> str:
    if not asked.known:
        return f"unknown_item: {asked.sku or asked.line_id} is on no line of this order"
    if asked.qty <= 0:
        return f"quantity: {asked.qty} units of {asked.sku} can't come back"
    if asked.qty <= asked.bought - asked.taken:
        return ""
    if asked.taken and asked.taken >= asked.bought:
        return f"already_returned: all {asked.bought} of {asked.sku} are in a return"
    return f"quantity: {asked.qty} of {asked.sku}, {asked.bought} bought, {asked.taken} in a return already"


def _late(asked: Asked, days: int | None, rules: Returns, now: int) -> tuple[list[str], list[str]]:
    if asked.delivered_at is None or asked.qty > asked.shipped - asked.taken:
        why = f"not_delivered: no delivery of {asked.sku} is known"
        return ([why], []) if rules.undelivered == "decline" else ([], [why] if rules.undelivered == "review" else [])
    if days is None:
        return [], []
    day = days_between(asked.delivered_at, now, rules.timezone)
    return ([f"window: {asked.sku} is asked for on day {day} of {days}"] if day > days else []), []


def days_between(start: int, end: int, timezone: str) -> int:
    """Calendar days from one moment to another (UTC ms) in a timezone: the same local date is 0."""
    zone = ZoneInfo(timezone)
    day, date = (datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).date() for ms in (start, end))
    return (date - day).days


def window(rules: Returns, channel: str, account: str, country: str) -> int | None:
    """Days after delivery; None: no row is for this channel and country, so there is no limit."""
    return next(
        (return_window.days for return_window in rules.windows if _matches(return_window, channel, account, country)),
        None,
    )


def _matches(return_window: ReturnWindow, channel: str, account: str, country: str) -> bool:
    return _channel(return_window.channels, channel, account) and (
        not return_window.countries or country in return_window.countries
    )


def _channel(allowed: list[str], channel: str, account: str) -> bool:
    return not allowed or channel in allowed or f"{channel}:{account}" in allowed


def _final(sku: str, rules: list[str]) -> bool:
    return any(sku.startswith(rule[:-1]) if rule.endswith("*") else sku == rule for rule in rules)


def reason_rule(rules: Returns, reason: str) -> ReasonRule | None:
    """The first row whose code the reason begins with, capitals or not."""
    plain = reason.strip().lower().replace(" ", "_").replace("-", "_")
    return next((rule for rule in rules.reasons if plain.startswith(rule.code.lower())), None)


def fault(rules: Returns, reason: str) -> str:
    """Whose fault a return is: customer, merchant, carrier."""
    rule = reason_rule(rules, reason)
    return rule.fault if rule else "customer"


def at_fault(state: OrderState, rules: Returns) -> bool:
    """Is the merchant at fault for any of the order's returns that were credited? Then the shipping of a whole order goes back."""
    rmas = state.book.rmas if state.book else []
    return any(fault(rules, unit.reason) == "merchant" for rma in rmas if rma.credits for unit in rma.lines)


def location(rules: Returns, country: str) -> ReturnLocation | None:
    """Where a customer of this country sends returns to; None: the rules name no place."""
    return next(
        (
            return_location
            for return_location in rules.locations
            if not return_location.countries or country in return_location.countries
        ),
        None,
    )


def label_for(rules: Returns, channel: str, account: str) -> str:
    """The carrier whose label we make; ``""``: we make none."""
    return rules.label.carrier if _channel(rules.label.channels, channel, account) else ""
