"""What time does to a pool: backorders given up, days that open again, repeats forgotten, queues rebuilt after a change of rules."""

from __future__ import annotations

from .backorders import requeue, timer, units_by_sku
from .fraud import forget_customer
from .parking import look_again
from .rule_checks import routing_of
from .serving import give_up, hold_waiting, serve_freed, serve_waiting, walk
from .session import Session
from .state import Fact, PoolOrder, PoolRequest
from .waves import Released, release_group, tell_waves

__all__ = ["TICK_BUDGET", "tick"]

TICK_BUDGET = 1000
"""Timers, requests rebuilt and backorders looked at in one tick, each; the rest follows in the next ones."""


def tick(s: Session) -> None:
    """Do what is due, in bounded portions."""
    _timers(s)
    _sweep(s)
    if not s.rebuilding:
        serve_freed(s)
        s.freed.clear()
        _todo(s)


def _timers(s: Session) -> None:
    timers, waves = s.index("timers"), dict[str, Released]()
    for _ in range(TICK_BUDGET):
        entry = timers.after()
        if entry is None or int(entry[0].split("\x1f", 1)[0]) > s.now:
            break
        timers.remove(entry[0])
        _, kind, id = entry[0].split("\x1f", 2)
        if kind == "fact":
            s.work.drop(Fact, id)
        elif kind == "order":
            _forget(s, id)
        elif kind == "customer":
            forget_customer(s, id)
        elif kind == "wave":
            release_group(s, id, waves)
        else:
            _due(s, kind, id)
    tell_waves(s, waves)


def _forget(s: Session, key: str) -> None:
    order = s.order(key)
    if order and 0 < order.forget <= s.now:
        s.work.drop(PoolOrder, key)


def _due(s: Session, kind: str, id: str) -> None:
    order, request = _find(s, id)
    if order is None or request is None:
        return
    if kind == "unpark":
        if s.rebuilding:
            s.index("timers").set(timer(s.now + 1, "unpark", id))  # once every queue is as the new rules have it
        else:
            look_again(s, order, request)
        return
    if kind == "retry":
        if not s.rebuilding:
            serve_waiting(s, order, request)
        return
    give_up(s, order, request, f"backorder_over_{routing_of(s, order, request).unfillable_after_days}_days")


def _find(s: Session, id: str) -> tuple[PoolOrder | None, PoolRequest | None]:
    key, _, no = id.rpartition("/")
    order = s.order(key)
    return order, next((r for r in order.requests if str(r.no) == no), None) if order else None


def _sweep(s: Session) -> None:
    """After a change of rules, put every waiting request into the queue it now belongs to; only then serve by the new rules."""
    if s.meta.rules == s.rules.version and s.meta.sweep is None:
        return
    if s.meta.sweep is None or s.meta.sweeping != s.rules.version:
        s.meta.sweep, s.meta.sweeping = "", s.rules.version
    waiting, todo = s.index("open"), s.index("todo")
    for _ in range(TICK_BUDGET):
        entry = waiting.after(s.meta.sweep)
        if entry is None:
            s.meta.rules, s.meta.sweep = s.rules.version, None
            break
        s.meta.sweep = entry[0]
        order, request = _find(s, entry[0])
        if order is not None and request is not None:
            if request.parked:
                s.index("timers").set(timer(s.now, "unpark", entry[0]))  # perhaps the new rules do not park it
            if hit := requeue(s, order, request):
                hold_waiting(s, order, request, hit)
            for sku in units_by_sku(request):
                todo.set(sku)
    s.save_meta()


def _todo(s: Session) -> None:
    """Go on with SKUs of which more came free than one command may hand out."""
    todo, budget = s.index("todo"), TICK_BUDGET
    while budget > 0 and (entry := todo.after()):
        budget, done, served = walk(s, entry[0], budget)
        if not done and served:
            return
        todo.remove(entry[0])  # done, or nobody in a whole portion could be served: new stock will ask again
