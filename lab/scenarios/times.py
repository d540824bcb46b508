"""Times in scenarios: a moment on the clock of the scenario's time zone, with a zone of its own, or so long after the step before."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["WhenError", "duration", "moment", "shown"]

_LASTING = re.compile(r"(?=.)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?")
_FORMS = 'write "10:30", "2026-11-23 10:30", "2026-11-23T09:30Z" or "+45m"'


class WhenError(ValueError):
    """A time that is none; ``hint`` is the way out."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def duration(text: str) -> int:
    """Milliseconds of ``1d``, ``2h30m``, ``90s``. Raises WhenError."""
    found = _LASTING.fullmatch(text.replace(" ", ""))
    if found is None:
        raise WhenError(f"{text!r} is no length of time", 'write "45m", "1h30m" or "2d"')
    units = (86_400_000, 3_600_000, 60_000, 1000, 1)
    return sum(int(n) * ms for n, ms in zip(found.groups(), units, strict=True) if n)


def moment(text: str, zone: ZoneInfo, now: int | None) -> int:
    """UTC milliseconds of a time; ``now`` is what ``+…`` counts from and whose day a bare clock time is on. Raises WhenError."""
    text = text.strip()
    if text.startswith("+") and now is not None:
        return now + duration(text[1:])
    if (found := _CLOCK.fullmatch(text)) and now is not None:
        day = datetime.fromtimestamp(now / 1000, zone).date().isoformat()
        text = f"{day} {int(found[1]):02}:{found[2]}:{found[3] or '00'}.{(found[4] or '0'):0<3}"
    elif re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise WhenError(f"{text!r} has no time of day", f'write "{text} 10:30"')
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise WhenError(f"{text!r} is no time", _FORMS) from None
    if told.tzinfo is None:
        told = _local(told, zone)
    return round(told.astimezone(UTC).timestamp() * 1000)


def _local(told: datetime, zone: ZoneInfo) -> datetime:
    """On the zone's clock; of a time that comes twice the first. Raises WhenError where the clock skips it."""
    local = told.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != told:
        later = told + timedelta(hours=1)
        raise WhenError(
            f"{told:%Y-%m-%d %H:%M} does not exist in {zone.key}: the clocks go forward",
            f'write "{later:%Y-%m-%d %H:%M}"',
        )
    return local


def shown(ms: int, zone: ZoneInfo) -> str:
    """A moment for people, to the second, or to the millisecond where it has some."""
    local = datetime.fromtimestamp(ms // 1000, zone)
    rest = f".{ms % 1000:03}" if ms % 1000 else ""
    return f"{local:%Y-%m-%d %H:%M:%S}{rest} {local:%Z}"
