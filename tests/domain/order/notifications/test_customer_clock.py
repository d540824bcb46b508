"""The customer's clock: quiet hours over midnight, on days off and on the days the clocks change; the zone of each country."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.order.notifications.customer_clock import _ZONES, day_of, out_of_quiet, zone_of
from domain.rules.notifications import Notifications, QuietHours

AMS = "Europe/Amsterdam"
NIGHT = QuietHours("21:00", "08:00")


def ms(text: str, zone: str = AMS) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def shown(at: int, zone: str = AMS) -> str:
    return datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).isoformat(" ", "minutes")[:16]


@pytest.mark.parametrize(
    ("at", "until", "quiet"),
    [
        pytest.param("2026-11-23 20:59", "2026-11-23 20:59", NIGHT, id="a minute before"),
        pytest.param("2026-11-23 21:00", "2026-11-24 08:00", NIGHT, id="at the start"),
        pytest.param("2026-11-24 03:00", "2026-11-24 08:00", NIGHT, id="after midnight"),
        pytest.param("2026-11-24 08:00", "2026-11-24 08:00", NIGHT, id="at the end"),
        pytest.param("2026-11-23 13:30", "2026-11-23 14:00", QuietHours("13:00", "14:00"), id="by day"),
        pytest.param("2026-11-28 22:00", "2026-11-30 08:00", QuietHours("21:00", "08:00", weekdays=["sun"]), id="sunday after the night"),
        pytest.param("2026-11-29 12:00", "2026-11-30 00:00", QuietHours("00:00", "00:00", weekdays=["sun"]), id="days only"),
        pytest.param("2026-11-23 23:00", "2026-11-23 23:00", QuietHours("00:00", "00:00"), id="never"),
        pytest.param("2026-03-28 23:00", "2026-03-29 08:00", NIGHT, id="the short night of spring"),
        pytest.param("2026-10-24 23:00", "2026-10-25 08:00", NIGHT, id="the long night of autumn"),
    ],
)  # fmt: skip
def test_a_message_waits_to_the_end_of_the_quiet_time(at: str, until: str, quiet: QuietHours) -> None:
    assert shown(out_of_quiet(ms(at), AMS, quiet)) == until


def test_the_hours_are_the_customers_own() -> None:
    at = ms("2026-11-23 20:30")
    assert out_of_quiet(at, AMS, NIGHT) == at
    assert shown(out_of_quiet(at, "Europe/Helsinki", NIGHT), "Europe/Helsinki") == "2026-11-24 08:00"


HOURS = st.integers(0, 23).map(lambda h: f"{h:02}:00")
DAYS = st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), max_size=6, unique=True)


@given(
    at=st.integers(ms("2026-01-01 00:00"), ms("2027-01-01 00:00")),
    quiet=st.builds(QuietHours, HOURS, HOURS, weekdays=DAYS),
    zone=st.sampled_from([AMS, "America/New_York", "Asia/Tokyo", "Europe/London"]),
)
def test_what_comes_out_is_never_quiet_never_earlier_and_never_far_off(at: int, quiet: QuietHours, zone: str) -> None:
    out = out_of_quiet(at, zone, quiet)
    assert at <= out <= at + 8 * 86_400_000
    assert out_of_quiet(out, zone, quiet) == out
    local = datetime.fromtimestamp(out / 1000, ZoneInfo(zone))
    assert ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][local.weekday()] not in quiet.weekdays
    clock = local.strftime("%H:%M")
    inside = quiet.start <= clock < quiet.end if quiet.start <= quiet.end else clock >= quiet.start or clock < quiet.end
    assert not inside


def test_a_customers_zone_is_the_rules_his_countrys_or_the_general_one() -> None:
    rules = Notifications(timezone="Asia/Tokyo", timezones={"US": "America/Los_Angeles"})
    assert [zone_of(c, rules) for c in ("US", "GB", "XX", "")] == [
        "America/Los_Angeles",
        "Europe/London",
        "Asia/Tokyo",
        "Asia/Tokyo",
    ]


def test_every_zone_named_here_exists() -> None:
    assert set(_ZONES.values()) <= available_timezones()


def test_a_day_is_the_local_one() -> None:
    assert day_of(ms("2026-11-23 23:59"), AMS) == "2026-11-23"
    assert day_of(ms("2026-11-23 23:59"), "Europe/Helsinki") == "2026-11-24"
