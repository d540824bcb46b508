"""Cut-offs (hard case 16): the days the clocks change, holidays, exceptions, services. Times are UTC."""

from __future__ import annotations

from datetime import datetime

import pytest

from domain.allocation.cutoff import Calendar, Promise
from domain.rules.ruleset import WEEK, Cutoff, DatedHours, Depot

EVERY_DAY = Depot("a", "NL", working_days=WEEK)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


def promise(depot: Depot, now: int, service: str = "standard", transit: int = 1, **more) -> Promise | None:
    return Calendar(depot).promise(now, service, transit, more.pop("delivers", []), **more)


@pytest.mark.parametrize(
    ("day", "cutoff", "next_day"),
    [
        pytest.param("2026-03-28", "15:00", "2026-03-29", id="the-day-before-summer-time"),
        pytest.param("2026-03-29", "14:00", "2026-03-30", id="summer-time-begins"),
        pytest.param("2026-10-24", "14:00", "2026-10-25", id="the-day-before-winter-time"),
        pytest.param("2026-10-25", "15:00", "2026-10-26", id="winter-time-begins"),
    ],
)
def test_16_four_in_the_afternoon_in_amsterdam_and_before_is_strict(day, cutoff, next_day):
    late = utc(f"{day}T{cutoff}:00")
    assert promise(EVERY_DAY, late - 1).day == day
    assert promise(EVERY_DAY, late).day == next_day


def test_the_ship_by_is_the_hand_over_on_the_ship_day_in_local_time():
    assert promise(EVERY_DAY, utc("2026-03-28T14:00:00")).ship_by == utc("2026-03-28T17:00:00")
    assert promise(EVERY_DAY, utc("2026-03-29T13:00:00")).ship_by == utc("2026-03-29T16:00:00")


def test_the_eta_is_the_end_of_the_delivery_day_in_local_time():
    winter_begins = promise(EVERY_DAY, utc("2026-10-24T09:00:00"), transit=1)
    assert winter_begins.eta == utc("2026-10-25T23:00:00") - 1
    assert promise(EVERY_DAY, utc("2026-10-24T09:00:00"), transit=0).eta == utc("2026-10-24T22:00:00") - 1


@pytest.mark.parametrize(
    ("depot", "now", "day"),
    [
        pytest.param(Depot("a", "NL"), "2026-11-20T15:30:00", "2026-11-23", id="friday-after-the-cut-off-is-monday"),
        pytest.param(Depot("a", "NL", holidays=["2026-11-23"]), "2026-11-21T09:00:00", "2026-11-24", id="a-holiday-is-skipped"),
        pytest.param(
            Depot("a", "NL", exceptions=[DatedHours("2026-11-23", closed=True)]), "2026-11-23T09:00:00", "2026-11-24", id="closed-that-day"
        ),
        pytest.param(
            Depot("a", "NL", exceptions=[DatedHours("2026-11-23", cutoff="12:00")]), "2026-11-23T11:00:00", "2026-11-24", id="an-earlier-cut-off-that-day"
        ),
        pytest.param(Depot("a", "NL", exceptions=[DatedHours("2026-11-21")]), "2026-11-21T09:00:00", "2026-11-21", id="open-on-a-day-off"),
        pytest.param(
            Depot("a", "NL", cutoffs=[Cutoff("12:00", weekdays=["mon"]), Cutoff("16:00")]), "2026-11-23T11:00:00", "2026-11-24", id="mondays-close-earlier"
        ),
        pytest.param(
            Depot("a", "NL", cutoffs=[Cutoff("16:00", weekdays=["tue"])]), "2026-11-23T09:00:00", "2026-11-24", id="no-cut-off-on-mondays-means-no-shipping"
        ),
        pytest.param(Depot("a", "US", timezone="America/New_York"), "2026-11-23T20:59:59", "2026-11-23", id="another-zone"),
        pytest.param(Depot("a", "JP", timezone="Asia/Tokyo"), "2026-11-22T23:00:00", "2026-11-23", id="monday-began-there"),
    ],
)  # fmt: skip
def test_the_ship_day(depot, now, day):
    assert promise(depot, utc(now)).day == day


def test_a_service_has_its_own_cut_off_and_hand_over():
    depot = Depot("a", "NL", cutoffs=[Cutoff("16:00"), Cutoff("11:00", service="same_day", handover="12:00")])
    at_noon = utc("2026-11-23T10:30:00")
    assert promise(depot, at_noon, "standard").day == "2026-11-23"
    assert promise(depot, at_noon, "same_day").ship_by == utc("2026-11-24T11:00:00")


def test_transit_counts_the_carriers_days_and_not_the_holidays():
    depot = Depot("a", "NL", holidays=["2026-11-24"])
    monday = utc("2026-11-23T09:00:00")
    assert promise(depot, monday, transit=1).eta == utc("2026-11-25T23:00:00") - 1
    friday = utc("2026-11-20T09:00:00")
    assert promise(depot, friday, transit=1, delivers=["sat"]).eta == utc("2026-11-21T23:00:00") - 1


def test_a_day_without_capacity_moves_to_the_next_working_day():
    friday = utc("2026-11-20T09:00:00")
    assert promise(Depot("a", "NL"), friday, full={"2026-11-20"}).day == "2026-11-23"


def test_a_depot_that_stays_closed_promises_nothing():
    holidays = [f"2026-{m:02d}-{d:02d}" for m in (11, 12) for d in range(1, 32)] + [
        f"2027-01-{d:02d}" for d in range(1, 32)
    ]
    assert promise(Depot("a", "NL", holidays=holidays), utc("2026-11-23T09:00:00")) is None
