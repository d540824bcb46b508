"""What the customer would want to know of his order as it stands, against what he was told: the
difference is the news.

Looked at when something happened and again when the message is decided, so a day that no longer
holds is never told, and what came and went in between (re-routed to another depot with the same
day) is no news at all.
"""

from __future__ import annotations

import msgspec

from domain.order.session import OrderSession
from domain.order.state.order import Allocation, Line, OrderState

from .customer_clock import day_of, zone_of

__all__ = ["News", "Part", "Standing", "arrives", "news", "standing"]

_WAITING = ("backordered", "unfillable")
_GRAVITY: list[str] = ["UNFILLABLE", "DELAYED", "BACKORDERED", "ALLOCATED"]


class Part(msgspec.Struct, frozen=True):
    """Units of a line that are in one ``state`` (coming, backordered, unfillable, open) and arrive
    on one day (ISO; ``""``: not known).
    """

    line: Line
    qty: int
    state: str
    eta: str = ""


class Standing(msgspec.Struct, frozen=True):
    """All live units that have not left.

    ``says``: the worst of each line: a day, ``backordered`` or ``unfillable``.
    """

    parts: list[Part]
    says: dict[str, str]


class News(msgspec.Struct, frozen=True):
    """``kinds``: what is news, the most important first; ``before``: the earliest day told or
    promised for units that come later now.
    """

    kinds: list[str]
    before: str = ""


def standing(session: OrderSession) -> Standing:
    """How the units stand that are still to leave."""
    order, parts = session.state, []
    days = {allocation.id: arrives(session, allocation) for allocation in order.allocations}
    for line in order.lines:
        if line.requires_shipping:
            parts += _parts(line, order, days)
    says: dict[str, str] = {}
    for part in parts:
        told = part.eta if part.state == "coming" else part.state if part.state in _WAITING else ""
        if told:
            # The worst holds: as text, days sort before ``backordered``, before ``unfillable``.
            says[part.line.line_id] = max(says.get(part.line.line_id, ""), told)
    return Standing(parts, says)


def _parts(line: Line, order: OrderState, days: dict[str, str]) -> list[Part]:
    coming: dict[str, int] = {}
    for allocation in order.allocations:
        units = sum(alloc_line.unshipped for alloc_line in allocation.lines if alloc_line.line_id == line.line_id)
        if units > 0:
            coming[days[allocation.id]] = coming.get(days[allocation.id], 0) + units
    # Not decided yet: units still to be asked for (all open ones but the unfillable), units that
    # the pool has not answered, and allocated ones whose day can't be promised.
    undecided = line.open - line.unfillable + line.requested + coming.pop("", 0)
    found = [Part(line, qty, "coming", day) for day, qty in sorted(coming.items())]
    counted = (("backordered", line.backordered), ("unfillable", line.unfillable), ("open", undecided))
    return found + [Part(line, qty, state) for state, qty in counted if qty > 0]


def arrives(session: OrderSession, allocation: Allocation) -> str:
    """The day an allocation arrives, by its depot's calendar (its ETA is the end of that day
    there); ``""``: it promises none.

    One that is called back or could not be told to its depot promises nothing, and neither does one
    whose day is over.
    """
    if not allocation.eta or allocation.recall or allocation.failed:
        return ""
    home = session.state.header.ship_to.country if session.state.header else ""
    at_home = zone_of(home, session.rules.notifications)
    zone = next((depot.timezone for depot in session.rules.depots if depot.id == allocation.depot), at_home)
    day = day_of(allocation.eta, zone)
    return day if day >= day_of(session.command.time, at_home) else ""


def news(session: OrderSession, now: Standing, told: dict[str, str]) -> News:
    """What is new to somebody who was ``told`` this.

    A day that is the same or sooner is none: the parcel's own message is enough.
    """
    kinds: set[str] = set()
    before: list[str] = []
    promised = _promised(session)
    for line_id, says in now.says.items():
        known = told.get(line_id, "")
        if says == known:
            continue
        if says == "unfillable":
            kinds.add("UNFILLABLE")
        elif says == "backordered":
            kinds |= {"BACKORDERED"} if known != "unfillable" else set()
        # A day for what waited, or a first day that keeps the channel's promise.
        elif known in _WAITING or (not known and not (promised and says > promised)):
            kinds.add("ALLOCATED")
        # ISO days compare as text. A later day is told as ALLOCATED where no row speaks of delays.
        elif says > (known or promised):
            kinds |= {"DELAYED", "ALLOCATED"}
        if says > (known or promised) and (known or promised) and known not in _WAITING:
            before.append(known or promised)
    return News([kind for kind in _GRAVITY if kind in kinds], min(before, default=""))


def _promised(session: OrderSession) -> str:
    """The day the channel promised; ``""``: it promised none."""
    header = session.state.header
    if header is None or header.latest_delivery is None:
        return ""
    return day_of(header.latest_delivery, zone_of(header.ship_to.country, session.rules.notifications))
