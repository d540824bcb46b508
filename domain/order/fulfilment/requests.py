"""What goes out when nothing holds an order: units asked of the pool, allocations handed to their
warehouses.
"""

from __future__ import annotations

from domain.allocation.priority import rank
from domain.order.condition_facts import of_order
from domain.order.rule_checks import waivers
from domain.order.session import OrderSession, event_line
from domain.order.state.order import Allocation, Line, Request, RequestLine
from domain.order.state.reported import Header
from domain.order.state.status import may_ship
from domain.records.commands import AllocationRequested
from domain.records.effects import PickOrder
from domain.records.values import Address, DemandLine, PickLine
from domain.rules.conditions import ConditionFailed
from domain.rules.hashes import address_hash

__all__ = ["request_units", "submit"]


def request_units(session: OrderSession) -> None:
    """Ask the pool for all open units; those that a depot failed on go in a request of their own,
    without that depot.
    """
    header = session.state.header
    if header is None or not may_ship(header, session.rules):
        return
    # Units that a depot failed on must not go back there: they are asked for apart.
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in session.state.lines:
        # Unfillable units are not asked for again by themselves.
        if line.open > line.unfillable and line.requires_shipping:
            groups.setdefault((line.replaces, *line.excluded), []).append(line)
    for (replaces, *excluded), lines in groups.items():
        _request(session, header, lines, replaces, excluded)


def _request(session: OrderSession, header: Header, lines: list[Line], replaces: str, excluded: list[str]) -> None:
    order, rules = session.state, session.rules
    order.asked += 1
    demand = [
        DemandLine(order_line.line_id, order_line.sku, order_line.open - order_line.unfillable, order_line.bundle_id)
        for order_line in lines
    ]
    command = AllocationRequested(
        **session.head("AllocationRequested"),
        pool=rules.default_pool,
        order_key=order.key,
        request_no=order.asked,
        placed_at=header.created_at,
        channel=session.channel,
        lines=demand,
        country=header.ship_to.country,
        postcode=header.ship_to.postcode,
        service_level=header.service_level,
        customer_key=header.customer_key,
        # What waits for returned goods can't leave with a wave: without a door it is bundled with
        # nothing.
        address_hash="" if order.holds else address_hash(header.ship_to),
        tags=header.tags,
        value=header.total,
        currency=header.currency,
        latest_delivery=header.latest_delivery,
        excluded_depots=excluded,
        replaces_id=replaces,
        billing_country=header.billing_country,
        risk=header.risk,
        waivers=waivers(order.judged, rules) if order.judged.flags or order.judged.accepted else [],
        exchange=bool(header.exchange_for),
    )
    for line, demand_line in zip(lines, demand, strict=True):
        # From here on the units are the pool's to answer.
        line.open -= demand_line.qty
        line.requested += demand_line.qty
    order.requests.append(
        Request(
            order.asked,
            rules.default_pool,
            [RequestLine(part.line_id, part.sku, part.qty, part.qty) for part in demand],
        )
    )
    session.to_pool(command)
    units = [event_line(order_line, part.qty) for order_line, part in zip(lines, demand, strict=True)]
    session.record("ALLOCATION_REQUESTED", units, reason=_without(excluded))


def _without(depots: list[str]) -> str:
    return f"without {', '.join(depots)}" if depots else ""


def submit(session: OrderSession) -> None:
    """Hand every new allocation to its warehouse."""
    for allocation in session.state.allocations:
        if (
            not allocation.sent
            and not allocation.waits
            and allocation.status == "ALLOCATED"
            and any(line.live for line in allocation.lines)
        ):
            _pick_order(session, allocation)


def _pick_order(session: OrderSession, allocation: Allocation) -> None:
    order, header = session.state, session.state.header
    if header is None:
        return
    head = session.head("PickOrder")
    allocation.sent, allocation.effect_id, allocation.recall = True, head["event_id"], False
    titles = {line.line_id: line.title for line in order.lines}
    session.effect(
        PickOrder(
            **head,
            order_key=order.key,
            target=allocation.target,
            allocation_id=allocation.id,
            order_name=header.name,
            lines=[
                PickLine(line.line_id, line.sku, line.live, titles.get(line.line_id, ""))
                for line in allocation.lines
                if line.live
            ],
            ship_to=_plain(header),
            email=header.email,
            phone=header.phone,
            service=allocation.service,
            carrier=allocation.carrier,
            ship_by=allocation.ship_by,
            eta=allocation.eta,
            priority=_priority(session, header),
            group_id=allocation.group_id,
            group_size=allocation.group_size,
        )
    )


def _priority(session: OrderSession, header: Header) -> int:
    return rank(
        session.rules.priorities,
        tags=header.tags,
        service=header.service_level,
        channel=session.channel,
        latest_delivery=header.latest_delivery,
        now=session.command.time,
        holds=lambda priority_class: _holds(session, header, priority_class.when),
    )[0]


def _holds(session: OrderSession, header: Header, when: str) -> bool:
    """The pool has judged the same before it allocated, and would have held the order."""
    try:
        return session.conditions.holds(when, of_order(session.state, header, session.rules, session.command.time))
    except ConditionFailed:
        return False


def _plain(header: Header) -> Address:
    stored_address = header.ship_to
    return Address(
        stored_address.name,
        stored_address.company,
        stored_address.street1,
        stored_address.street2,
        stored_address.postcode,
        stored_address.city,
        stored_address.region,
        stored_address.country,
        stored_address.phone,
    )
