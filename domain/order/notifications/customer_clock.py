"""The customer's clock: which zone is his, when he sleeps, what day an instant is.

Pure; instants are UTC milliseconds.

Zones by country are the IANA database's (``zone.tab``); a country of several has the one most
people live in.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.rules.notifications import Notifications, QuietHours
from domain.rules.ruleset import WEEK

__all__ = ["day_of", "out_of_quiet", "zone_of"]

_BY_ZONE = {
    "Europe/Amsterdam": "NL",
    "Europe/Brussels": "BE",
    "Europe/Luxembourg": "LU",
    "Europe/Berlin": "DE",
    "Europe/Vienna": "AT",
    "Europe/Zurich": "CH LI",
    "Europe/Paris": "FR MC",
    "Europe/London": "GB IM JE GG",
    "Europe/Dublin": "IE",
    "Europe/Madrid": "ES AD GI",
    "Europe/Lisbon": "PT",
    "Europe/Rome": "IT SM VA",
    "Europe/Malta": "MT",
    "Europe/Copenhagen": "DK",
    "Europe/Stockholm": "SE",
    "Europe/Oslo": "NO",
    "Europe/Helsinki": "FI AX",
    "Atlantic/Reykjavik": "IS",
    "Europe/Tallinn": "EE",
    "Europe/Riga": "LV",
    "Europe/Vilnius": "LT",
    "Europe/Warsaw": "PL",
    "Europe/Prague": "CZ",
    "Europe/Bratislava": "SK",
    "Europe/Budapest": "HU",
    "Europe/Ljubljana": "SI",
    "Europe/Zagreb": "HR",
    "Europe/Belgrade": "RS ME",
    "Europe/Sarajevo": "BA",
    "Europe/Skopje": "MK",
    "Europe/Tirane": "AL",
    "Europe/Athens": "GR",
    "Asia/Nicosia": "CY",
    "Europe/Sofia": "BG",
    "Europe/Bucharest": "RO",
    "Europe/Chisinau": "MD",
    "Europe/Kyiv": "UA",
    "Europe/Istanbul": "TR",
    "Asia/Jerusalem": "IL",
    "Asia/Dubai": "AE",
    "Asia/Riyadh": "SA",
    "Asia/Kuwait": "KW",
    "Asia/Kolkata": "IN",
    "Asia/Singapore": "SG",
    "Asia/Hong_Kong": "HK",
    "Asia/Shanghai": "CN",
    "Asia/Tokyo": "JP",
    "Asia/Seoul": "KR",
    "Australia/Sydney": "AU",
    "Pacific/Auckland": "NZ",
    "Africa/Johannesburg": "ZA",
    "America/New_York": "US",
    "America/Toronto": "CA",
    "America/Mexico_City": "MX",
    "America/Sao_Paulo": "BR",
}
_ZONES = {country: zone for zone, countries in _BY_ZONE.items() for country in countries.split()}

_zone = lru_cache(maxsize=128)(ZoneInfo)


def zone_of(country: str, rules: Notifications) -> str:
    """The IANA name of the customer's zone: the rules' for his country, the usual one there, else
    the rules' general one.
    """
    return rules.timezones.get(country) or _ZONES.get(country) or rules.timezone


def _local(at: int, zone: str) -> datetime:
    try:
        return datetime.fromtimestamp(at // 1000, _zone(zone))
    except (OverflowError, ValueError, OSError):  # a channel's nonsense, as the year 60000
        return datetime.max.replace(tzinfo=UTC) if at > 0 else datetime.min.replace(tzinfo=UTC)


def day_of(at: int, zone: str) -> str:
    """The local day of an instant, ISO."""
    return _local(at, zone).date().isoformat()


def out_of_quiet(at: int, zone: str, quiet: QuietHours) -> int:
    """``at``, or the end of the quiet time it falls into.

    At ``end`` itself he may be called; at ``start`` he may not.

    Comparing instants keeps it right on the days the clocks change. Seven whole days that are all
    quiet: at once, for there is no end.
    """
    if (quiet.start == quiet.end and not quiet.weekdays) or set(quiet.weekdays) >= set(WEEK):
        return at
    while (end := _quiet_until(at, _zone(zone), quiet)) > at:
        at = end
    return at


def _quiet_until(at: int, zone: ZoneInfo, quiet: QuietHours) -> int:
    """The end of a quiet time that ``at`` lies in; ``at``: it lies in none."""
    today = datetime.fromtimestamp(at // 1000, zone).date()
    if WEEK[today.weekday()] in quiet.weekdays:
        return _instant(today + timedelta(days=1), "00:00", zone)
    # No hours: only whole days are quiet, and this is none of them.
    if quiet.start == quiet.end:
        return at
    overnight = quiet.end < quiet.start
    # A quiet time that began last night may still last.
    for first in (today - timedelta(days=1), today):
        begin = _instant(first, quiet.start, zone)
        end = _instant(first + timedelta(days=1) if overnight else first, quiet.end, zone)
        if begin <= at < end:
            return end
    return at


def _instant(day: date, clock: str, zone: ZoneInfo) -> int:
    local = datetime.combine(day, time.fromisoformat(clock), tzinfo=zone)
    return int(local.timestamp()) * 1000
