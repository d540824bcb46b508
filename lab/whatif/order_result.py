"""How an order came out in a what-if run: one row of the report."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.records.values import AllocationPlan

__all__ = ["OrderResult", "Row", "result_row"]


class Row(msgspec.Struct, array_like=True):
    """How an order came out. ``why``: the preference that settled its first decision; ``refused``: depot → why, then.

    ``cost`` in minor units; ``waited``: some of it was backordered at first; ``served_at`` when the last unit had a depot (0: not
    yet); ``late``: parcels promised later than the channel promised; ``at``: when it was first asked for. ``parcels``: ids, a bundle's is
    shared. ``first``: where it was sent at first. ``held``: by a rule of the pool.
    """

    key: str
    at: int
    depots: list[str]
    parcels: list[str]
    cost: int
    currency: str
    waited: bool
    served_at: int
    waiting: int
    unfillable: int
    promised: bool
    late: int
    ship_by: int
    why: str
    refused: dict[str, str]
    first: list[str]
    held: bool


class _Seen(msgspec.Struct):
    """What is kept of a decision's record."""

    decided_by: str = ""
    candidates: list[dict[str, Any]] = []


_read = msgspec.json.Decoder(_Seen).decode


class OrderResult:
    """What an order wants, and what it has here. ``asked_at``: when it last asked, by pool."""

    __slots__ = (
        "asked",
        "asked_at",
        "at",
        "began",
        "first",
        "held",
        "live",
        "plans",
        "promise",
        "served_at",
        "skus",
        "unfillable",
        "waited",
        "waiting",
        "want",
    )

    def __init__(self, at: int, promise: int | None) -> None:
        self.at, self.promise = at, promise
        self.want: dict[str, int] = {}
        self.skus: dict[str, str] = {}
        self.live: dict[tuple[str, str], int] = {}
        self.plans: dict[str, AllocationPlan] = {}
        self.waiting: dict[tuple[int, str], int] = {}
        self.unfillable = 0
        self.asked, self.held = 0, False
        self.asked_at: dict[str, int] = {}
        self.waited = False
        self.served_at = 0
        self.first: _Seen | None = None
        self.began: set[str] = set()

    def has(self, line_id: str) -> int:
        """Units of a line that have a depot or wait here."""
        live = sum(n for (_, x), n in self.live.items() if x == line_id)
        return live + sum(n for (_, x), n in self.waiting.items() if x == line_id)


def result_row(key: str, o: OrderResult) -> Row:
    ids = dict.fromkeys(a for (a, _), n in o.live.items() if n)
    plans = [o.plans[a] for a in ids]
    first = o.first or _Seen()
    return Row(
        key,
        o.at,
        sorted({p.depot for p in plans}),
        sorted({p.group_id or p.allocation_id for p in plans}),
        sum(p.cost for p in plans),
        plans[0].cost_currency if plans else "",
        o.waited,
        o.served_at if plans and not any(o.waiting.values()) else 0,
        sum(o.waiting.values()),
        o.unfillable,
        o.promise is not None,
        sum(o.promise is not None and p.eta > o.promise for p in plans),
        max((p.ship_by for p in plans), default=0),
        first.decided_by,
        {str(x["depot"]): str(x["refused"]) for x in first.candidates if x.get("refused")},
        sorted(o.began),
        o.held and not plans,
    )
