"""Waves: allocations wait in groups that may leave as one parcel; when their time has come each is told to go, exactly once.

A group holds what has everything in common that one parcel needs (``bundling.group_key``). An allocation leaves it when nothing of it is
wanted any more (cancelled, held, sent elsewhere), so a released group has live members only. The last word has the order itself:
what it holds or cancels while the release is on its way gets no pick order.
"""

from __future__ import annotations

import msgspec

from domain.allocation.bundling import MINUTE, BundleCost, bundle_cost, due, group_key, wave_for
from domain.keys import split_allocation_id
from domain.records.commands import WaveReleased
from domain.records.values import AllocationPlan
from domain.rules.ruleset import Wave

from .backorders import timer
from .session import PoolSession
from .state import GroupMember, PoolAllocation, PoolOrder, PoolRequest, WaveGroup

__all__ = ["Released", "join_wave", "leave_wave", "release_group", "tell_waves"]


class Released(msgspec.Struct):
    """What left with a wave in one tick; ``saving`` in minor units."""

    depot: str
    allocations: int = 0
    bundles: int = 0
    saving: int = 0


def join_wave(
    session: PoolSession, order: PoolOrder, request: PoolRequest, allocation: PoolAllocation, plan: AllocationPlan
) -> AllocationPlan:
    """Let a new allocation wait for its wave, where the rules bundle it; the plan comes back with the wave's name."""
    rules = session.rules.bundling
    row = wave_for(rules, plan, request.tags, request.channel)
    key = group_key(plan, request.customer_key, request.address_hash, request.channel, rules) if row else ""
    if row is None or not key:
        return plan
    until = due(row, rules, session.compiled.calendars[plan.depot], session.now, plan.ship_by)
    id, group = _open_group(session, key, rules.max_orders)
    if group is None:
        if until <= session.now:
            return plan
        group = WaveGroup(_wave_name(session, row, plan.depot, until), plan.depot, until, plan.cost_currency)
        session.index("timers").set(timer(until, "wave", id))
    elif until < group.due:
        session.index("timers").remove(timer(group.due, "wave", id))
        group.wave, group.due = _wave_name(session, row, plan.depot, until), until
        session.index("timers").set(timer(until, "wave", id))
    group.members.append(GroupMember(order.key, allocation.id, plan.cost))
    session.work.put(id, group)
    allocation.waits_in = id
    return msgspec.structs.replace(plan, wave=group.wave)


def _open_group(session: PoolSession, key: str, most: int) -> tuple[str, WaveGroup | None]:
    """The group of this key that still has room, or the id of the next one."""
    n = 0
    while (group := session.work.get(WaveGroup, f"{key}\x1f{n}")) is not None and len(group.members) >= most:
        n += 1
    return f"{key}\x1f{n}", group


def _wave_name(session: PoolSession, row: Wave, depot: str, at: int) -> str:
    """Name a wave: ``depot/carrier/local time``."""
    return f"{depot}/{row.carrier}/{session.compiled.calendars[depot].local(at // MINUTE * MINUTE)}"


def leave_wave(session: PoolSession, allocation: PoolAllocation) -> None:
    """The allocation waits no longer: nothing of it is left to ship, or its warehouse has it already."""
    group = session.work.get(WaveGroup, allocation.waits_in) if allocation.waits_in else None
    id, allocation.waits_in = allocation.waits_in, ""
    if group is None:
        return
    group.members = [group_member for group_member in group.members if group_member.allocation_id != allocation.id]
    if group.members:
        session.work.put(id, group)
    else:
        session.work.drop(WaveGroup, id)
        session.index("timers").remove(timer(group.due, "wave", id))


def release_group(session: PoolSession, id: str, waves: dict[str, Released]) -> None:
    """Its time has come: everyone in it is told, those that leave together with the id they share. ``waves`` adds up by wave."""
    group = session.work.get(WaveGroup, id)
    if group is None:
        return
    session.work.drop(WaveGroup, id)
    cost, size = bundle_cost([group_member.cost for group_member in group.members]), len(group.members)
    group_id = _bundled(session, group, cost) if size > 1 else ""
    for member, share in zip(group.members, cost.shares, strict=True):
        order = session.order(member.order_key)
        allocation = (
            next(
                (
                    pool_allocation
                    for pool_allocation in order.allocations
                    if pool_allocation.id == member.allocation_id
                ),
                None,
            )
            if order
            else None
        )
        if order is None or allocation is None:
            continue  # forgotten: nothing of it can be live
        allocation.waits_in = ""
        allocation.mates = [group_member.allocation_id for group_member in group.members] if size > 1 else []
        session.save_order(order)
        session.released(_release(session, group, group_id, allocation, (share, member.cost)))
    told = waves.setdefault(group.wave, Released(group.depot))
    told.allocations += size
    told.bundles += size > 1
    told.saving += cost.saving


def _release(
    session: PoolSession, group: WaveGroup, group_id: str, allocation: PoolAllocation, cost: tuple[int, int]
) -> WaveReleased:
    """``cost``: its share of the parcel, and what its own would cost."""
    head = ("", "WaveReleased", session.now, "pools", allocation.trace)
    _, order_key, _ = split_allocation_id(allocation.id)
    size = len(group.members)
    return WaveReleased(
        *head, order_key, session.pool, allocation.id, group.wave, group_id, size, *cost, group.currency
    )


def _bundled(session: PoolSession, group: WaveGroup, cost: BundleCost) -> str:
    """Record what leaves together and why that is cheaper; the event's id is the bundle's."""
    record = {
        "wave": group.wave,
        "members": [group_member.allocation_id for group_member in group.members],
        "alone": cost.alone,
        "together": cost.together,
        "shares": cost.shares,
        "saving": cost.saving,
    }
    text = msgspec.json.encode(record).decode()
    return session.event("BUNDLED", depot=group.depot, reference=group.wave, decision=text)


def tell_waves(session: PoolSession, waves: dict[str, Released]) -> None:
    """One event a wave."""
    for wave, told in waves.items():
        reason = f"{told.allocations} allocations, {told.bundles} bundles, {told.saving} saved"
        session.event("WAVE_RELEASED", depot=told.depot, reference=wave, reason=reason)
