"""A stock pool: stock per SKU and depot, reservations, backorders. One fold over ``wharf.pools.in``.

``handle`` is pure: the view holds the pool's records, the command's ``time`` is now, and what happened comes out as events for
``wharf.pools.events`` and commands for ``wharf.orders.in``. The work per command does not grow with open orders or SKUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from domain.records.commands import (
    AllocationKept,
    AllocationReleased,
    AllocationRequested,
    BackorderCancelled,
    OrderCommand,
    PoolCommand,
    RulesPublished,
    StockReported,
    Tick,
    WmsReported,
)
from domain.records.events import PoolEvent
from domain.rules.conditions import UNCOMPILED, Conditions
from domain.rules.layers import of_pool
from domain.rules.ruleset import RuleSet

from .requests import cancel_backorder, release, request
from .serving import serve_freed
from .session import PoolSession
from .shortage import kept
from .state import Meta
from .stock_reports import report_stock
from .timers import tick
from .view import MemoryPool, PoolView
from .wms_reports import report_wms

__all__ = ["MemoryPool", "PoolResult", "PoolView", "handle"]


class PoolResult(msgspec.Struct, frozen=True):
    """What a command led to: events of the pool, and commands to orders, both in order."""

    events: list[PoolEvent]
    order_commands: list[OrderCommand]


HANDLERS: dict[type, Callable[[PoolSession, Any], None]] = {
    AllocationRequested: request,
    AllocationReleased: release,
    AllocationKept: kept,
    BackorderCancelled: cancel_backorder,
    StockReported: report_stock,
    WmsReported: report_wms,
}


def handle(
    view: PoolView,
    command: PoolCommand,
    rules: RuleSet,
    conditions: Conditions = UNCOMPILED,
    session: type[PoolSession] = PoolSession,
) -> PoolResult:
    """Apply a command to the pool of ``view``.

    ``session``: what works on it (a simulation wants no events). ``rules`` are the checked rules in force, with those for this pool still to be laid over them; ``conditions`` judges what
    they ask in CEL. A Tick is for every pool; RulesPublished does nothing here (the caller passes the
    new rules from then on, and the next Tick rebuilds what depends on them). Raises Rejected, with nothing written, for a
    command that can't be applied.
    """
    if isinstance(command, Tick | RulesPublished):
        meta = view.load(Meta, "")
        if meta is None or isinstance(command, RulesPublished):
            return PoolResult([], [])
        s = session(view, meta.pool, command.time, command.trace, of_pool(rules, meta.pool), conditions=conditions)
        tick(s)
    else:
        s = session(
            view, command.pool, command.time, command.trace, of_pool(rules, command.pool), conditions=conditions
        )
        HANDLERS[type(command)](s, command)
        serve_freed(s)
    s.work.flush()
    return PoolResult(s.events, s.sent)
