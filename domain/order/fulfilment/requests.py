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
    header = turn.state.header
    if header is None or not may_ship(header, turn.rules):
        return
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in turn.state.lines:
        if line.open > line.unfillable and line.requires_shipping:
            groups.setdefault((line.replaces, *line.excluded), []).append(line)
    for (replaces, *excluded), lines in groups.items():
        _request(turn, header, lines, replaces, excluded)


def _request(turn: Turn, header: Header, lines: list[Line], replaces: str, excluded: list[str]) -> None:
    order, rules = turn.state, turn.rules
    order.asked += 1
    demand = [DemandLine(x.line_id, x.sku, x.open - x.unfillable, x.bundle_id) for x in lines]
    command = AllocationRequested(
        **turn.head("AllocationRequested"),
        pool=rules.default_pool,
        order_key=order.key,
        request_no=order.asked,
        placed_at=header.created_at,
        channel=turn.channel,
        lines=demand,
        country=header.ship_to.country,
        postcode=header.ship_to.postcode,
        service_level=header.service_level,
        customer_key=header.customer_key,
        # What waits for returned goods can't leave with a wave: without a door it is bundled with nothing.
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
        line.open -= demand_line.qty
        line.requested += demand_line.qty
    order.requests.append(
        Request(order.asked, rules.default_pool, [RequestLine(d.line_id, d.sku, d.qty, d.qty) for d in demand])
    )
    turn.ask(command)
    units = [event_line(x, d.qty) for x, d in zip(lines, demand, strict=True)]
    turn.event("ALLOCATION_REQUESTED", units, reason=_without(excluded))


def _without(depots: list[str]) -> str:
    return f"without {', '.join(depots)}" if depots else ""


def submit(turn: Turn) -> None:
    """Hand every new allocation to its warehouse."""
    for allocation in turn.state.allocations:
        if (
            not allocation.sent
            and not allocation.waits
            and allocation.status == "ALLOCATED"
            and any(line.live for line in allocation.lines)
        ):
            _pick_order(turn, allocation)


def _pick_order(turn: Turn, allocation: Allocation) -> None:
    order, header = turn.state, turn.state.header
    if header is None:
        return
    head = turn.head("PickOrder")
    allocation.sent, allocation.effect_id, allocation.recall = True, head["event_id"], False
    titles = {line.line_id: line.title for line in order.lines}
    turn.do(
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
            priority=_priority(turn, header),
            group_id=allocation.group_id,
            group_size=allocation.group_size,
        )
    )


def _priority(turn: Turn, header: Header) -> int:
    return rank(
        turn.rules.priorities,
        tags=header.tags,
        service=header.service_level,
        channel=turn.channel,
        latest_delivery=header.latest_delivery,
        now=turn.command.time,
        holds=lambda priority_class: _holds(turn, header, priority_class.when),
    )[0]


def _holds(turn: Turn, header: Header, when: str) -> bool:
    """The pool has judged the same before it allocated, and would have held the order."""
    try:
        return turn.conditions.holds(when, of_order(turn.state, header, turn.rules, turn.command.time))
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
