"""What conditions see of a request in its pool: each variable made only when a condition asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from domain.rules.conditions import MISSING, Facts, LazyFacts, line_facts, local_time, moment
from domain.rules.ruleset import WEEK

__all__ = ["RequestFacts", "of_request"]


class RequestFacts(msgspec.Struct, frozen=True):
    """A request for units, as conditions see it. ``lines``: anything with line_id, sku, qty and bundle_id; times in UTC ms.

    ``zone``: the rules' timezone; ``customer``: makes the figures of ``conditions.CUSTOMER``.
    """

    channel: str
    account: str
    country: str
    postcode: str
    billing_country: str
    service: str
    currency: str
    total: int
    tags: list[str]
    risk: str
    lines: Sequence[Any]
    placed_at: int
    now: int
    zone: str
    customer: Callable[[], dict[str, int]] | None = None


_REQUEST: dict[str, Callable[[RequestFacts], object]] = {
    "channel": lambda r: r.channel,
    "account": lambda r: r.account,
    "country": lambda r: r.country,
    "postcode": lambda r: r.postcode,
    "billing_country": lambda r: r.billing_country or r.country,
    "service": lambda r: r.service,
    "currency": lambda r: r.currency,
    "total": lambda r: r.total,
    "tags": lambda r: r.tags,
    "risk": lambda r: r.risk,
    "items": lambda r: sum(x.qty for x in r.lines),
    "lines": lambda r: [line_facts(x, x.qty) for x in r.lines],
    "skus": lambda r: [x.sku for x in r.lines],
    "placed_at": lambda r: moment(r.placed_at),
    "now": lambda r: moment(r.now),
    "hour": lambda r: local_time(r.now, r.zone).hour,
    "weekday": lambda r: WEEK[local_time(r.now, r.zone).weekday()],
    "customer": lambda r: r.customer() if r.customer else MISSING,
}


def of_request(request: RequestFacts) -> Facts:
    """The facts of a request."""
    return LazyFacts(_REQUEST, request).__getitem__
