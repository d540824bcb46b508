"""Rows of ClickHouse for lists that people read: one odd row never costs the others.

A time is stored as 64 bits of milliseconds, of which Python's own cover a part: so times are read as numbers and brought into range here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

__all__ = ["moment", "named"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(?:Nullable\()?DateTime64\((\d)")


def named(client: Any, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The rows by column; times are UTC without an offset, as clickhouse-connect gives them. Raises what the client raises."""
    found = client.query(sql, parameters=parameters or {}, query_formats={"DateTime64": "int"})
    names = list(found.column_names)
    scales = [_TIME.match(kind.name) for kind in found.column_types]
    times = {n: partial(moment, digits=int(scale[1])) for n, scale in zip(names, scales, strict=True) if scale}
    rows = [dict(zip(names, row, strict=True)) for row in found.result_rows]
    for row in rows:
        row.update({name: read(row[name]) for name, read in times.items()})
    return rows


def moment(ticks: int | None, digits: int = 3) -> datetime | None:
    """A stored time, ``digits`` behind the second, as UTC; one that no calendar has is the first or last there is."""
    if ticks is None:
        return None
    try:
        at = _EPOCH + timedelta(microseconds=ticks * 10**6 // 10**digits)
    except OverflowError:
        at = datetime.min.replace(tzinfo=UTC) if ticks < 0 else datetime.max.replace(tzinfo=UTC)
    return at.replace(tzinfo=None)
