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
        live = sum(n for (_, item), n in self.live.items() if item == line_id)
        return live + sum(n for (_, item), n in self.waiting.items() if item == line_id)


def result_row(key: str, result: OrderResult) -> Row:
    ids = dict.fromkeys(item for (item, _), n in result.live.items() if n)
    plans = [result.plans[text] for text in ids]
    first = result.first or _Seen()
    return Row(
        key,
        result.at,
        sorted({allocation_plan.depot for allocation_plan in plans}),
        sorted({allocation_plan.group_id or allocation_plan.allocation_id for allocation_plan in plans}),
        sum(allocation_plan.cost for allocation_plan in plans),
        plans[0].cost_currency if plans else "",
        result.waited,
        result.served_at if plans and not any(result.waiting.values()) else 0,
        sum(result.waiting.values()),
        result.unfillable,
        result.promise is not None,
        sum(result.promise is not None and allocation_plan.eta > result.promise for allocation_plan in plans),
        max((allocation_plan.ship_by for allocation_plan in plans), default=0),
        first.decided_by,
        {
            str(candidate["depot"]): str(candidate["refused"])
            for candidate in first.candidates
            if candidate.get("refused")
        },
        sorted(result.began),
        result.held and not plans,
    )
