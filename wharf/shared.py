"""What several commands need: a ClickHouse client whose errors are one line, and the time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ops.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_clickhouse", "time_now"]


def time_now() -> int:
    from ops.clock import from_setting
    from ops.settings import Settings

    return from_setting(Settings().clock)()


@contextmanager
def open_clickhouse() -> Iterator[Any]:
    """A client; its errors as one line. Raises UserError."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from ops.servers.endpoints import clickhouse_client
    from ops.settings import Settings

    try:
        with clickhouse_client(Settings()) as client:
            yield client
    except ClickHouseError as e:
        raise UserError(f"ClickHouse: {str(e)[:300]} (the tables are made by `wharf sink`)") from e
