"""Cut-offs and calendars: on which day a depot ships what is allocated now, by when, and when it arrives.

Local times are the depot's; instants are UTC milliseconds. "Before" is strict: at exactly 16:00:00.000 the 16:00 cut-off is
missed. Comparing instants, not wall clocks, keeps this right on the days the clocks change. A local time that the spring
change skips is read with the offset before the change; one that autumn repeats means the first of the two (PEP 495).
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from domain.rules.ruleset import WEEK, Cutoff, Depot

__all__ = ["HORIZON_DAYS", "Calendar", "Promise"]

HORIZON_DAYS = 60
"""How far ahead a ship day is looked for; a depot closed for longer is refused (``calendar``)."""

_MEMO = 4096


class Promise(msgspec.Struct, frozen=True):
    """``day``: the local ship date (ISO); ``ship_by``: hand-over to the carrier; ``eta``: end of the delivery day, local;
    ``cutoff``: until when this promise holds for new orders.
    """

    day: str
    ship_by: int
    eta: int
    cutoff: int


class Calendar:
    """A depot's working days and cut-offs, parsed once. Raises ZoneInfoNotFoundError or ValueError on unchecked rules."""

    def __init__(self, depot: Depot) -> None:
        self.zone = ZoneInfo(depot.timezone)
        self._open = frozenset(depot.working_days)
        self._holidays = frozenset(depot.holidays)
        self._exceptions = {dated_hours.date: dated_hours for dated_hours in depot.exceptions}
        self._cutoffs = depot.cutoffs
        self._handover = depot.handover
        self._hours: dict[tuple[int, str], tuple[int, int] | None] = {}
        self._promises: dict[tuple[int, int, tuple[str, ...]], int] = {}

    def today(self, now: int) -> date:
        """The local date at ``now``."""
        return datetime.fromtimestamp(now // 1000, self.zone).date()

    def is_open(self, day: date) -> bool:
        """Does the depot work on this local date?"""
        exception = self._exceptions.get(day.isoformat())
        if exception is not None:
            return not exception.closed
        return WEEK[day.weekday()] in self._open and day.isoformat() not in self._holidays

    def local(self, at: int) -> str:
        """An instant as local date and time with its offset, to the minute."""
        return datetime.fromtimestamp(at // 1000, self.zone).isoformat(timespec="minutes")

    def instant(self, day: date, clock: str) -> int:
        """A local date and time (HH:MM) as UTC ms."""
        local = datetime.combine(day, time(int(clock[:2]), int(clock[3:])), self.zone)
        return round(local.timestamp() * 1000)

    def ship_days(self, now: int, service: str) -> Iterator[tuple[date, int, int]]:
        """The days on which an order for ``service`` known at ``now`` can ship, with cut-off and hand-over; nearest first."""
        first = self.today(now)
        for n in range(HORIZON_DAYS):
            day = first + timedelta(days=n)
            hours = self._on(day, service)
            if hours is not None and (n > 0 or now < hours[0]):
                yield day, *hours

    def promise(
        self, now: int, service: str, transit_days: int, delivers: list[str], full: Container[str] = ()
    ) -> Promise | None:
        """The first ship day that is not ``full`` (ISO dates without capacity), and what it means; None: not in the horizon."""
        for day, cutoff, handover in self.ship_days(now, service):
            iso = day.isoformat()
            if iso not in full:
                return Promise(iso, handover, self.arrival(day, transit_days, delivers), cutoff)
        return None

    def arrival(self, ship_day: date, transit_days: int, delivers: list[str]) -> int:
        """The last millisecond (local) of the day ``transit_days`` carrier working days after ``ship_day``."""
        key = (ship_day.toordinal(), transit_days, tuple(delivers))
        if key not in self._promises:
            if len(self._promises) >= _MEMO:
                self._promises.clear()
            self._promises[key] = self._arrival(ship_day, transit_days, frozenset(delivers) or self._open)
        return self._promises[key]

    def _arrival(self, day: date, left: int, delivers: frozenset[str]) -> int:
        for _ in range(HORIZON_DAYS + 7 * left):  # bounded: a carrier that never works delivers at the horizon
            if left <= 0:
                break
            day += timedelta(days=1)
            if WEEK[day.weekday()] in delivers and day.isoformat() not in self._holidays:
                left -= 1
        return self.instant(day + timedelta(days=1), "00:00") - 1

    def _on(self, day: date, service: str) -> tuple[int, int] | None:
        """Cut-off and hand-over instants on a day; None: nothing leaves. Only the day and the service decide, so it is kept."""
        key = (day.toordinal(), service)
        if key not in self._hours:
            if len(self._hours) >= _MEMO:
                self._hours.clear()
            self._hours[key] = self._look_up(day, service)
        return self._hours[key]

    def _look_up(self, day: date, service: str) -> tuple[int, int] | None:
        iso, weekday = day.isoformat(), WEEK[day.weekday()]
        exception = self._exceptions.get(iso)
        if not self.is_open(day):
            return None
        row = self._row(weekday, service)
        cutoff = (exception.cutoff if exception else "") or (row.time if row else "")
        if not cutoff:
            return None
        handover = (row.handover if row else "") or self._handover
        return self.instant(day, cutoff), self.instant(day, max(handover, cutoff))

    def _row(self, weekday: str, service: str) -> Cutoff | None:
        for wanted in (service, "*"):
            for row in self._cutoffs:
                if row.service == wanted and weekday in row.weekdays:
                    return row
        return None
