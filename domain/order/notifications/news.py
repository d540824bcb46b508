"""What the customer would want to know of his order as it stands, against what he was told: the difference is the news.

Looked at when something happened and again when the message is decided, so a day that no longer holds is never told, and what
came and went in between (re-routed to another depot with the same day) is no news at all.
"""

from __future__ import annotations

import msgspec

from domain.order.session import Turn
from domain.order.state.order import Allocation, Line, OrderState

from .customer_clock import day_of, zone_of

__all__ = ["News", "Part", "Standing", "arrives", "news", "standing"]

_WAITING = ("backordered", "unfillable")
_GRAVITY: list[str] = ["UNFILLABLE", "DELAYED", "BACKORDERED", "ALLOCATED"]


class Part(msgspec.Struct, frozen=True):
    """Units of a line that are in one ``state`` (coming, backordered, unfillable, open) and arrive on one day (ISO; ``""``: not known)."""

    line: Line
    qty: int
    state: str
    eta: str = ""


class Standing(msgspec.Struct, frozen=True):
    """All live units that have not left. ``says``: the worst of each line: a day, ``backordered`` or ``unfillable``."""

    parts: list[Part]
    says: dict[str, str]


class News(msgspec.Struct, frozen=True):
    """``kinds``: what is news, the most important first; ``before``: the earliest day told or promised for units that come later now."""

    kinds: list[str]
    before: str = ""


def standing(turn: Turn) -> Standing:
    """How the units stand that are still to leave."""
    s, parts = turn.state, []
    days = {a.id: arrives(turn, a) for a in s.allocations}
    for line in s.lines:
        if line.requires_shipping:
            parts += _parts(line, s, days)
    says: dict[str, str] = {}
    for p in parts:
        told = p.eta if p.state == "coming" else p.state if p.state in _WAITING else ""
        if told:
            says[p.line.line_id] = max(says.get(p.line.line_id, ""), told)  # digits sort before b, and b before u
    return Standing(parts, says)


def _parts(line: Line, s: OrderState, days: dict[str, str]) -> list[Part]:
    coming: dict[str, int] = {}
    for a in s.allocations:
        n = sum(x.unshipped for x in a.lines if x.line_id == line.line_id)
        if n > 0:
            coming[days[a.id]] = coming.get(days[a.id], 0) + n
    undecided = line.open - line.unfillable + line.requested + coming.pop("", 0)
    found = [Part(line, n, "coming", day) for day, n in sorted(coming.items())]
    counted = (("backordered", line.backordered), ("unfillable", line.unfillable), ("open", undecided))
    return found + [Part(line, n, state) for state, n in counted if n > 0]


def arrives(turn: Turn, a: Allocation) -> str:
    """The day an allocation arrives, by its depot's calendar (its ETA is the end of that day there); ``""``: it promises none.

    One that is called back or could not be told to its depot promises nothing, and neither does one whose day is over.
    """
    if not a.eta or a.recall or a.failed:
        return ""
    home = turn.state.header.ship_to.country if turn.state.header else ""
    at_home = zone_of(home, turn.rules.notifications)
    zone = next((d.timezone for d in turn.rules.depots if d.id == a.depot), at_home)
    day = day_of(a.eta, zone)
    return day if day >= day_of(turn.command.time, at_home) else ""


def news(turn: Turn, now: Standing, told: dict[str, str]) -> News:
    """What is new to somebody who was ``told`` this. A day that is the same or sooner is none: the parcel's own message is enough."""
    kinds: set[str] = set()
    before: list[str] = []
    promised = _promised(turn)
    for line_id, says in now.says.items():
        known = told.get(line_id, "")
        if says == known:
            continue
        if says == "unfillable":
            kinds.add("UNFILLABLE")
        elif says == "backordered":
            kinds |= {"BACKORDERED"} if known != "unfillable" else set()
        elif known in _WAITING or (not known and not (promised and says > promised)):
            kinds.add("ALLOCATED")
        elif says > (known or promised):
            kinds |= {"DELAYED", "ALLOCATED"}
        if says > (known or promised) and (known or promised) and known not in _WAITING:
            before.append(known or promised)
    return News([k for k in _GRAVITY if k in kinds], min(before, default=""))


def _promised(turn: Turn) -> str:
    """The day the channel promised; ``""``: it promised none."""
    h = turn.state.header
    if h is None or h.latest_delivery is None:
        return ""
    return day_of(h.latest_delivery, zone_of(h.ship_to.country, turn.rules.notifications))
