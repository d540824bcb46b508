"""What goes out when nothing holds an order: units asked of the pool, allocations handed to their warehouses."""

from __future__ import annotations

from domain.allocation.priority import rank
from domain.order.condition_facts import of_order
from domain.order.rule_checks import waivers
from domain.order.session import Turn, event_line
from domain.order.state.order import Allocation, Line, Request, RequestLine
from domain.order.state.reported import Header
from domain.order.state.status import may_ship
from domain.records.commands import AllocationRequested
from domain.records.effects import PickOrder
from domain.records.values import Address, DemandLine, PickLine
from domain.rules.conditions import ConditionFailed
from domain.rules.hashes import address_hash

__all__ = ["request_units", "submit"]


def request_units(turn: Turn) -> None:
    """Ask the pool for all open units; those that a depot failed on go in a request of their own, without that depot."""
    h = turn.state.header
    if h is None or not may_ship(h, turn.rules):
        return
    groups: dict[tuple[str, ...], list[Line]] = {}
    for x in turn.state.lines:
        if x.open > x.unfillable and x.requires_shipping:
            groups.setdefault((x.replaces, *x.excluded), []).append(x)
    for (replaces, *excluded), lines in groups.items():
        _request(turn, h, lines, replaces, excluded)


def _request(turn: Turn, h: Header, lines: list[Line], replaces: str, excluded: list[str]) -> None:
    s, rules = turn.state, turn.rules
    s.asked += 1
    demand = [DemandLine(x.line_id, x.sku, x.open - x.unfillable, x.bundle_id) for x in lines]
    command = AllocationRequested(
        **turn.head("AllocationRequested"),
        pool=rules.default_pool,
        order_key=s.key,
        request_no=s.asked,
        placed_at=h.created_at,
        channel=turn.channel,
        lines=demand,
        country=h.ship_to.country,
        postcode=h.ship_to.postcode,
        service_level=h.service_level,
        customer_key=h.customer_key,
        # What waits for returned goods can't leave with a wave: without a door it is bundled with nothing.
        address_hash="" if s.holds else address_hash(h.ship_to),
        tags=h.tags,
        value=h.total,
        currency=h.currency,
        latest_delivery=h.latest_delivery,
        excluded_depots=excluded,
        replaces_id=replaces,
        billing_country=h.billing_country,
        risk=h.risk,
        waivers=waivers(s.judged, rules) if s.judged.flags or s.judged.accepted else [],
        exchange=bool(h.exchange_for),
    )
    for x, d in zip(lines, demand, strict=True):
        x.open -= d.qty
        x.requested += d.qty
    s.requests.append(
        Request(s.asked, rules.default_pool, [RequestLine(d.line_id, d.sku, d.qty, d.qty) for d in demand])
    )
    turn.ask(command)
    units = [event_line(x, d.qty) for x, d in zip(lines, demand, strict=True)]
    turn.event("ALLOCATION_REQUESTED", units, reason=_without(excluded))


def _without(depots: list[str]) -> str:
    return f"without {', '.join(depots)}" if depots else ""


def submit(turn: Turn) -> None:
    """Hand every new allocation to its warehouse."""
    for a in turn.state.allocations:
        if not a.sent and not a.waits and a.status == "ALLOCATED" and any(x.live for x in a.lines):
            _pick_order(turn, a)


def _pick_order(turn: Turn, a: Allocation) -> None:
    s, h = turn.state, turn.state.header
    if h is None:
        return
    head = turn.head("PickOrder")
    a.sent, a.effect_id, a.recall = True, head["event_id"], False
    titles = {x.line_id: x.title for x in s.lines}
    turn.do(
        PickOrder(
            **head,
            order_key=s.key,
            target=a.target,
            allocation_id=a.id,
            order_name=h.name,
            lines=[PickLine(x.line_id, x.sku, x.live, titles.get(x.line_id, "")) for x in a.lines if x.live],
            ship_to=_plain(h),
            email=h.email,
            phone=h.phone,
            service=a.service,
            carrier=a.carrier,
            ship_by=a.ship_by,
            eta=a.eta,
            priority=_priority(turn, h),
            group_id=a.group_id,
            group_size=a.group_size,
        )
    )


def _priority(turn: Turn, h: Header) -> int:
    return rank(
        turn.rules.priorities,
        tags=h.tags,
        service=h.service_level,
        channel=turn.channel,
        latest_delivery=h.latest_delivery,
        now=turn.command.time,
        holds=lambda x: _holds(turn, h, x.when),
    )[0]


def _holds(turn: Turn, h: Header, when: str) -> bool:
    """The pool has judged the same before it allocated, and would have held the order."""
    try:
        return turn.conditions.holds(when, of_order(turn.state, h, turn.rules, turn.command.time))
    except ConditionFailed:
        return False


def _plain(h: Header) -> Address:
    a = h.ship_to
    return Address(a.name, a.company, a.street1, a.street2, a.postcode, a.city, a.region, a.country, a.phone)
