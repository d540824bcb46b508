"""Which fulfilment orders a shipment goes on, and what of it Shopify already has. Pure, over ``queries.ORDER``'s answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from domain.records.effects import ChannelShipment

__all__ = ["CannotFulfil", "FulfilmentPlan", "Plan", "fulfilled", "open_units", "plan"]

FulfilmentPlan = dict[str, list[tuple[str, int]]]
"""Fulfilment order → its line items and quantities."""

_VOID = frozenset({"CANCELLED", "ERROR", "FAILURE"})
_OPEN = frozenset({"OPEN", "IN_PROGRESS", "SCHEDULED"})


class CannotFulfil(Exception):
    """Shopify has fewer units to fulfil than were shipped; ``permanent`` unless some of them are on hold."""

    def __init__(self, message: str, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class Plan(msgspec.Struct, frozen=True):
    """One group a location, each a mutation of its own; ``reference``: the fulfilments that are there already.

    ``refused``: why Shopify won't take the rest of the units, ``""`` where there is no rest. They left although the shop had
    cancelled or refunded them meanwhile: it is told of all others, and a person has to look at these.
    """

    groups: list[FulfilmentPlan]
    reference: str = ""
    refused: str = ""


def _tail(text: str) -> str:
    return text.rpartition("/")[2]


def open_units(order: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """What is not fulfilled yet: line, location (its gid, or ``""``), units."""
    for fulfilment_order in order["fulfillmentOrders"]["nodes"]:
        if fulfilment_order["status"] in _OPEN | {"ON_HOLD"}:
            location = ((fulfilment_order.get("assignedLocation") or {}).get("location") or {}).get("id") or ""
            for item in fulfilment_order["lineItems"]["nodes"]:
                yield _tail(item["lineItem"]["id"]), location, item["remainingQuantity"]


def fulfilled(order: dict[str, Any]) -> bool:
    """Has anything of it left?"""
    return any(f["status"] not in _VOID for f in order["fulfillments"])


def _done(order: dict[str, Any], effect: ChannelShipment) -> tuple[Counter[str], list[str]]:
    """Units that fulfilments of this very shipment hold: those with its tracking number, less those that other effects tell of.

    A shipment without tracking is known by its lines: untracked fulfilments of nothing but these units are taken for it, since a repeat of
    a lost answer is likelier than a second untracked parcel of the same content.
    """
    wanted = Counter({line_qty.line_id: line_qty.qty for line_qty in effect.lines})
    done: Counter[str] = Counter()
    ids = []
    for f in order["fulfillments"]:
        if f["status"] in _VOID:
            continue
        numbers = {t.get("number") for t in f.get("trackingInfo") or [] if t.get("number")}
        lines: Counter[str] = Counter()
        for x in f["fulfillmentLineItems"]["nodes"]:
            lines[_tail(x["lineItem"]["id"])] += x["quantity"]
        ours = effect.tracking_number in numbers if effect.tracking_number else (not numbers and done + lines <= wanted)
        if ours:
            done += lines
            ids.append(str(f["id"]))
    done -= Counter(
        {line_qty.line_id: line_qty.qty for line_qty in effect.told_before}
    )  # another part of the order in the same parcel
    return done, ids if +done else []


def plan(order: dict[str, Any], effect: ChannelShipment) -> Plan:
    """What is left to tell Shopify of this shipment. Raises CannotFulfil where units are on hold, and are to be tried again."""
    done, ids = _done(order, effect)
    wanted = Counter({line_qty.line_id: line_qty.qty for line_qty in effect.lines}) - done
    groups: dict[str, FulfilmentPlan] = {}
    held = False
    for fulfilment_order in order["fulfillmentOrders"]["nodes"]:
        held |= fulfilment_order["status"] == "ON_HOLD"
        if fulfilment_order["status"] not in _OPEN:
            continue
        location = ((fulfilment_order.get("assignedLocation") or {}).get("location") or {}).get("id") or ""
        for item in fulfilment_order["lineItems"]["nodes"]:
            line = _tail(item["lineItem"]["id"])
            take = min(wanted[line], item["remainingQuantity"])
            if take > 0:
                wanted[line] -= take
                group = groups.setdefault(location, {})
                group.setdefault(fulfilment_order["id"], []).append((item["id"], take))
    missing = +wanted
    text = ", ".join(f"{n} of line {line}" for line, n in missing.items())
    if missing and held:
        raise CannotFulfil(f"Shopify has {text} not to fulfil: a fulfillment order is on hold", permanent=False)
    refused = f"Shopify has {text} not to fulfil: they are fulfilled, cancelled or refunded there" if missing else ""
    return Plan(list(groups.values()), " ".join(ids), refused)
