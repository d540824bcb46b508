"""The ``notifications`` part of a rule set (``rules.RuleSet``): what the customer is told, when, over which medium.

Without rows nobody is told anything. Clock times are the customer's own; texts are templates (docs/notifications.md), not rules.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["MEDIA", "NOTICES", "TEMPLATES", "MessageRule", "Notifications", "QuietHours"]

MEDIA = ["mail", "sms", "whatsapp"]

ORDER_NOTICES = ["PLACED", "ALLOCATED", "DELAYED", "BACKORDERED", "UNFILLABLE"]
PARCEL_NOTICES = ["OVERDUE", "PICKED", "SHIPPED", "IN_TRANSIT", "OUT_FOR_DELIVERY", "EXCEPTION", "DELIVERED"]
RETURN_NOTICES = [
    "RETURN_REQUESTED",
    "RMA_CREATED",
    "RETURN_LABELLED",
    "RETURN_DECLINED",
    "RETURN_CANCELLED",
    "RETURN_EXPIRED",
    "RMA_RECEIVED",
    "RETURN_INSPECTED",
    "CREDITED",
]
NOTICES = [*ORDER_NOTICES, "CANCELLED", *PARCEL_NOTICES, *RETURN_NOTICES]
"""What a customer can be told of: types of events; DELAYED: a later day than he was told, or than the channel promised; OVERDUE: it should
have left and has not."""

TEMPLATES: dict[str, str] = {
    "PLACED": "order_confirmed",
    "ALLOCATED": "order_confirmed",
    "DELAYED": "order_delayed",
    "BACKORDERED": "order_backordered",
    "UNFILLABLE": "order_unfillable",
    "CANCELLED": "order_cancelled",
    "OVERDUE": "order_overdue",
    "PICKED": "order_picked",
    "SHIPPED": "order_shipped",
    "IN_TRANSIT": "parcel_in_transit",
    "OUT_FOR_DELIVERY": "parcel_out_for_delivery",
    "EXCEPTION": "parcel_exception",
    "DELIVERED": "order_delivered",
    "RETURN_REQUESTED": "return_requested",
    "RMA_CREATED": "return_approved",
    "RETURN_LABELLED": "return_approved",
    "RETURN_DECLINED": "return_declined",
    "RETURN_CANCELLED": "return_cancelled",
    "RETURN_EXPIRED": "return_expired",
    "RMA_RECEIVED": "return_received",
    "RETURN_INSPECTED": "return_inspected",
    "CREDITED": "return_credited",
}
"""The template of each, where a row names none."""

_WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _one_of(values: list[str]) -> Meta:
    return Meta(extra_json_schema={"enum": values})


Minutes = Annotated[int, Meta(ge=0, le=1440)]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="The customer's time, HH:MM")]
Country = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", extra_json_schema={"format": "country"})
]
Timezone = Annotated[str, Meta(description="IANA name", extra_json_schema={"format": "timezone"})]
Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}$", description="ISO 639, as nl")]
Medium = Annotated[str, _one_of(MEDIA)]
Template = Annotated[
    str,
    Meta(pattern=r"^([a-z][a-z0-9_]*)?$", description="A template's name, as order_shipped; empty: the event's own"),
]
When = Annotated[
    str, Meta(description="A condition in CEL (docs/rules.md); empty: always", extra_json_schema={"format": "cel"})
]


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class MessageRule(_Rule, frozen=True):
    """What is said when one of ``events`` happens: ``template`` (none given: the event's own, ``TEMPLATES``) over all of ``media`` that the customer has an address for; none:
    nothing is said.

    The first row that fits an event decides it, whole. ``channels``: names (``bol``) or accounts (``shopify:acme``); ``countries``,
    ``languages``: the customer's; none: all. ``when``: only where this is true; where it can't be judged the row does not fit.
    ``wait_minutes``: how long it waits for what belongs into the same message; none given: the group's ``collapse_minutes``.
    """

    events: Annotated[list[Annotated[str, _one_of(NOTICES)]], Meta(min_length=1)]
    template: Template = ""
    media: list[Medium] = msgspec.field(default_factory=lambda: ["mail"])
    channels: list[str] = []
    countries: list[Country] = []
    languages: list[Language] = []
    when: When = ""
    wait_minutes: Minutes | None = None


class QuietHours(_Rule, frozen=True):
    """When the customer is left alone: from ``start`` to ``end`` of his day (over midnight where end is the earlier), and all day
    long on ``weekdays``. What falls into it waits to its end. The same ``start`` and ``end``: no hours of the day.
    """

    start: Clock = "21:00"
    end: Clock = "08:00"
    media: list[Medium] = msgspec.field(default_factory=lambda: ["sms", "whatsapp"])
    weekdays: list[Annotated[str, _one_of(_WEEK)]] = []


class Notifications(_Rule, frozen=True):
    """Who is told what. No ``messages``: nobody is told anything.

    ``silent_channels`` (names or accounts) forbid contact with their customers. ``collapse_minutes``: what happens within so many
    minutes is one message. ``overdue_minutes`` after its ship-by a parcel that has not left is
    OVERDUE. ``max_age_hours``: what happened longer ago is not told any more (a first import, a late report).
    ``languages``: those there are texts in; a customer with another one gets ``by_country``'s, else ``language``. ``timezones``: whose
    clock counts in a country, where the usual one is not meant; ``timezone``: in a country not known here.
    """

    messages: list[MessageRule] = []
    silent_channels: list[str] = msgspec.field(default_factory=lambda: ["bol", "amazon"])
    quiet: QuietHours = QuietHours()
    collapse_minutes: Minutes = 5
    overdue_minutes: Minutes = 120
    max_age_hours: Annotated[int, Meta(ge=1, le=8760)] = 72
    languages: list[Language] = msgspec.field(default_factory=lambda: ["nl", "de", "en", "fr"])
    language: Language = "en"
    by_country: dict[str, Language] = msgspec.field(
        default_factory=lambda: {"NL": "nl", "BE": "nl", "DE": "de", "AT": "de", "CH": "de", "FR": "fr", "LU": "fr"}
    )
    timezone: Timezone = "Europe/Amsterdam"
    timezones: dict[str, Timezone] = {}
