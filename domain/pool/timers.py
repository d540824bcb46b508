"""What time does to a pool: backorders given up, days that open again, repeats forgotten, queues rebuilt after a change of rules."""

from __future__ import annotations

from .backorders import requeue, timer, units_by_sku
from .fraud import forget_customer
from .parking import look_again
from .rule_checks import routing_of
from .serving import give_up, hold_waiting, serve_freed, serve_waiting, walk
from .session import PoolSession
from .state import Fact, PoolOrder, PoolRequest
from .waves import Released, release_group, tell_waves

__all__ = ["TICK_BUDGET", "tick"]

TICK_BUDGET = 1000
"""Timers, requests rebuilt and backorders looked at in one tick, each; the rest follows in the next ones."""


def tick(session: PoolSession) -> None:
    """Do what is due, in bounded portions."""
    _timers(session)
    _sweep(session)
    if not session.rebuilding:
        serve_freed(session)
        session.freed.clear()
        _todo(session)


def _timers(session: PoolSession) -> None:
    timers, waves = session.index("timers"), dict[str, Released]()
    for _ in range(TICK_BUDGET):
        entry = timers.after()
        if entry is None or int(entry[0].split("\x1f", 1)[0]) > session.now:
            break
        timers.remove(entry[0])
        _, kind, id = entry[0].split("\x1f", 2)
        if kind == "fact":
            session.work.drop(Fact, id)
        elif kind == "order":
            _forget(session, id)
        elif kind == "customer":
            forget_customer(session, id)
        elif kind == "wave":
            release_group(session, id, waves)
        else:
            _due(session, kind, id)
    tell_waves(session, waves)


def _forget(session: PoolSession, key: str) -> None:
    order = session.order(key)
    if order and 0 < order.forget <= session.now:
        session.work.drop(PoolOrder, key)


def _due(session: PoolSession, kind: str, id: str) -> None:
    order, request = _find(session, id)
    if order is None or request is None:
        return
    if kind == "unpark":
        if session.rebuilding:
            session.index("timers").set(
                timer(session.now + 1, "unpark", id)
            )  # once every queue is as the new rules have it
        else:
            look_again(session, order, request)
        return
    if kind == "retry":
        if not session.rebuilding:
            serve_waiting(session, order, request)
        return
    give_up(session, order, request, f"backorder_over_{routing_of(session, order, request).unfillable_after_days}_days")


def _find(session: PoolSession, id: str) -> tuple[PoolOrder | None, PoolRequest | None]:
    key, _, no = id.rpartition("/")
    order = session.order(key)
    return order, next((request for request in order.requests if str(request.no) == no), None) if order else None


def _sweep(session: PoolSession) -> None:
    """After a change of rules, put every waiting request into the queue it now belongs to; only then serve by the new rules."""
    if session.meta.rules == session.rules.version and session.meta.sweep is None:
        return
    if session.meta.sweep is None or session.meta.sweeping != session.rules.version:
        session.meta.sweep, session.meta.sweeping = "", session.rules.version
    waiting, todo = session.index("open"), session.index("todo")
    for _ in range(TICK_BUDGET):
        entry = waiting.after(session.meta.sweep)
        if entry is None:
            session.meta.rules, session.meta.sweep = session.rules.version, None
            break
        session.meta.sweep = entry[0]
        order, request = _find(session, entry[0])
        if order is not None and request is not None:
            if request.parked:
                session.index("timers").set(
                    timer(session.now, "unpark", entry[0])
                )  # perhaps the new rules do not park it
            if hit := requeue(session, order, request):
                hold_waiting(session, order, request, hit)
            for sku in units_by_sku(request):
                todo.set(sku)
    session.save_meta()


def _todo(session: PoolSession) -> None:
    """Go on with SKUs of which more came free than one command may hand out."""
    todo, budget = session.index("todo"), TICK_BUDGET
    while budget > 0 and (entry := todo.after()):
        budget, done, served = walk(session, entry[0], budget)
        if not done and served:
            return
        todo.remove(entry[0])  # done, or nobody in a whole portion could be served: new stock will ask again
