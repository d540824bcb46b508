"""The ``returns`` part of a rule set (``rules.RuleSet``): what may come back, until when, who pays, and what becomes of it.

Every field has a default. Money is in minor units of the order's own currency, for it is taken off a credit in that currency.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = [
    "BGrade",
    "ExchangeRule",
    "LabelRule",
    "ReasonRule",
    "Restock",
    "ReturnFees",
    "ReturnLocation",
    "ReturnWindow",
    "Returns",
    "ReturnsFor",
    "WriteOff",
]


def _one_of(*values: str) -> Meta:
    return Meta(extra_json_schema={"enum": list(values)})


Count = Annotated[int, Meta(ge=0)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Payer = Annotated[str, _one_of("customer", "merchant")]
Depot = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")]
Country = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", extra_json_schema={"format": "country"})
]


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ReturnWindow(_Rule, frozen=True):
    """How many days after delivery a return may be asked for: the day of delivery is 0, the last day counts in full.

    ``channels``: names (``bol``) or accounts (``shopify:acme``); ``countries``: the customer's; none: all. The first row that matches.
    """

    days: Count
    channels: list[str] = []
    countries: list[Country] = []


class ReasonRule(_Rule, frozen=True):
    """What follows from a reason; ``code``: the channel's code or the beginning of it, capitals or not. The first row that matches.

    ``fault`` merchant: no fee, the merchant pays the label, the shipping of a whole order goes back. ``review``: a person decides.
    """

    code: str
    fault: Annotated[str, _one_of("customer", "merchant", "carrier")] = "customer"
    review: bool = False


class ReturnFees(_Rule, frozen=True):
    """Taken off a credit, never more than it: ``restocking_percent`` of the units' price, ``restocking_per_unit``, ``label`` once an RMA."""

    restocking_percent: Percent = 0
    restocking_per_unit: Count = 0
    label: Count = 0


class LabelRule(_Rule, frozen=True):
    """Whether we make return labels (``carrier``; ``""``: not), for which ``channels`` (none: all), and who pays for them."""

    carrier: str = ""
    channels: list[str] = []
    payer: Payer = "merchant"


class ReturnLocation(_Rule, frozen=True):
    """Where returns go: a depot and its address; ``countries``: for customers there (none: all). The first row that matches."""

    depot: Depot
    name: str = ""
    street1: str = ""
    postcode: str = ""
    city: str = ""
    country: Country = "NL"
    countries: list[Country] = []


class Restock(_Rule, frozen=True):
    """Units that can be sold as new: + stock at ``depot`` (default: where they were inspected)."""

    credit_percent: Percent = 100
    depot: Depot = ""


class BGrade(_Rule, frozen=True):
    """Units that can be sold as second choice: counted apart, at ``depot``, worth ``price_percent`` of their price.

    ``sellable``: orders for SKU + ``sku_suffix`` are served from them; else they are only counted, under their own SKU.
    """

    credit_percent: Percent = 100
    depot: Depot = ""
    price_percent: Percent = 60
    sellable: bool = False
    sku_suffix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$")] = "-B"


class WriteOff(_Rule, frozen=True):
    """Units that can't be sold: counted, worth nothing."""

    credit_percent: Percent = 100
    depot: Depot = ""


class ExchangeRule(_Rule, frozen=True):
    """Exchanges. ``ship``: when the new goods are asked for: at the approval (held until the old ones are inspected), or at the inspection.

    ``out_of_stock``: what can't be had at once waits (``backorder``), or its value is credited (``credit``). ``dearer``: the
    customer pays the difference first (``charge``: the new order awaits payment), or a person decides (``review``).
    ``reserve``: goods asked for at the approval are kept for the customer until the old ones are here; else they are only asked for then.
    """

    ship: Annotated[str, _one_of("approved", "inspected")] = "inspected"
    out_of_stock: Annotated[str, _one_of("backorder", "credit")] = "backorder"
    dearer: Annotated[str, _one_of("charge", "review")] = "charge"
    reserve: bool = False


Timezone = Annotated[str, Meta(description="IANA name", extra_json_schema={"format": "timezone"})]
Ineligible = Annotated[str, _one_of("decline", "review")]
Undelivered = Annotated[str, _one_of("decline", "review", "allow")]
Shipping = Annotated[str, _one_of("never", "whole_order", "share")]
Late = Annotated[str, _one_of("accept", "review")]
SentBack = Annotated[str, _one_of("credit", "review")]


class Returns(_Rule, frozen=True):
    """What is decided about returns.

    ``timezone``: whose calendar days count. ``ineligible``: what the rules don't allow is declined, or a person decides;
    ``undelivered``: the same for units of which no delivery is known. ``review_above``: from this value on a person decides (0: never).
    ``claims_up_to``: claims up to this amount are approved at once (0: a person decides each). ``final_sale_skus``: SKUs, or beginnings
    of them with ``*``. ``shipping``: what the customer paid for it goes back never, with the whole order (every unit credited or
    cancelled), or by share of the value. ``expiry_days``: an approved RMA of which nothing came is closed after them (0: never);
    ``late``: goods that come after that are taken, or wait for a person. ``return_to_sender``: undelivered parcels that come back are
    credited once inspected, or wait for a person.
    """

    timezone: Timezone = "Europe/Amsterdam"
    windows: list[ReturnWindow] = msgspec.field(
        default_factory=lambda: [ReturnWindow(14, channels=["bol", "amazon"]), ReturnWindow(30)]
    )
    auto_approve: bool = True
    review_above: Count = 0
    claims_up_to: Count = 0
    ineligible: Ineligible = "decline"
    undelivered: Undelivered = "review"
    final_sale_tags: list[str] = []
    final_sale_skus: list[str] = []
    reasons: list[ReasonRule] = msgspec.field(
        default_factory=lambda: [
            ReasonRule("defective", "merchant"),
            ReasonRule("damaged", "merchant"),
            ReasonRule("wrong_item", "merchant"),
            ReasonRule("not_as_described", "merchant"),
        ]
    )
    fees: ReturnFees = ReturnFees()
    shipping: Shipping = "whole_order"
    label: LabelRule = LabelRule()
    locations: list[ReturnLocation] = []
    restock: Restock = Restock()
    b_grade: BGrade = BGrade()
    write_off: WriteOff = WriteOff()
    exchange: ExchangeRule = ExchangeRule()
    expiry_days: Count = 30
    late: Late = "accept"
    return_to_sender: SentBack = "credit"


class ReturnsFor(_Rule, frozen=True):
    """What is otherwise about returns for one channel or account: each field that stands here replaces that of ``Returns`` whole."""

    timezone: Timezone | None = None
    windows: list[ReturnWindow] | None = None
    auto_approve: bool | None = None
    review_above: Count | None = None
    claims_up_to: Count | None = None
    ineligible: Ineligible | None = None
    undelivered: Undelivered | None = None
    final_sale_tags: list[str] | None = None
    final_sale_skus: list[str] | None = None
    reasons: list[ReasonRule] | None = None
    fees: ReturnFees | None = None
    shipping: Shipping | None = None
    label: LabelRule | None = None
    locations: list[ReturnLocation] | None = None
    restock: Restock | None = None
    b_grade: BGrade | None = None
    write_off: WriteOff | None = None
    exchange: ExchangeRule | None = None
    expiry_days: Count | None = None
    late: Late | None = None
    return_to_sender: SentBack | None = None
