"""The one owner of a chdb directory: the writer's client, and read-only queries next to it.

chdb gives any number of connections to its one engine; each keeps its own settings, and queries run outside of the GIL. So a query
gets a connection of its own (under a millisecond), bounded and read-only, and never meets the sink's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.embedded.guard import DirectoryLock

from .errors import SYNTAX_ERROR, ClickHouseError, from_text
from .readonly import allow, forbidden_functions, format_clause

__all__ = ["DATABASE", "Answer", "Bounds", "Engine"]

DATABASE = "wharf"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one query may take: seconds, bytes of memory, rows and bytes of result."""

    seconds: float = 60.0
    memory: int = 2 << 30
    rows: int = 5_000_000
    result: int = 256 << 20

    def settings(self) -> dict[str, str]:
        """ClickHouse's settings for them."""
        return {
            "max_execution_time": str(self.seconds),
            "max_memory_usage": str(self.memory),
            "max_result_rows": str(self.rows),
            "max_result_bytes": str(self.result),
            "result_overflow_mode": "throw",
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """A result in ``format``, and what it took."""

    body: bytes
    format: str
    rows_read: int
    bytes_read: int
    seconds: float


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    """Opens ``home/clickhouse``. Raises UserError where another process has it."""

    def __init__(self, home: Path, bounds: Bounds | None = None) -> None:
        self.directory = home.absolute() / "clickhouse"
        self.bounds = bounds or Bounds()
        self._lock = DirectoryLock(self.directory / "lock", "ClickHouse")
        self._lock.acquire()
        import chdb

        self._chdb = chdb
        self._data = str(self.directory / "data")
        self._keeper = chdb.connect(self._data)  # keeps the engine open while other connections come and go
        self._keeper.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        self._forbidden = forbidden_functions(self._lines("SELECT name FROM system.table_functions"))
        self.version, self.timezone = self._lines("SELECT arrayJoin([version(), timezone()])")

    def _lines(self, sql: str) -> list[str]:
        return self._keeper.query(sql, "TSVRaw").bytes().decode().splitlines()  # type: ignore[no-any-return]

    def client(self, database: str = DATABASE) -> Any:
        """A clickhouse-connect client that may write: for the sink alone. Its ``database`` is made if it is missing."""
        import clickhouse_connect

        self._keeper.query(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        return clickhouse_connect.get_client(dsn=f"chdb://{self._data}", database=database)

    def read(
        self,
        sql: str,
        *,
        format: str = "TabSeparated",
        parameters: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        database: str = DATABASE,
    ) -> Answer:
        """Run one read-only query. ``settings`` are the caller's to have checked. Raises ClickHouseError."""
        started = time.perf_counter()
        connection = self._chdb.connect(self._data)
        try:
            canonical = self._canonical(connection, sql)
            allow(canonical, self._forbidden)
            self._prepare(connection, {**self.bounds.settings(), **(settings or {})}, database)
            result = connection.query(sql, format, params=dict(parameters or {}))
            # bytes() is a view of memory that ends with the result
            body = bytes(result.bytes() or b"")
            seconds = time.perf_counter() - started
            used = format_clause(canonical) or format
            return Answer(body, used, result.rows_read(), result.bytes_read(), seconds)
        except RuntimeError as e:  # chdb's own error is one
            raise from_text(str(e)) from e
        finally:
            connection.close()

    @staticmethod
    def _canonical(connection: Any, sql: str) -> str:
        if not sql.strip():
            raise ClickHouseError(SYNTAX_ERROR, "Empty query")
        said = connection.query("SELECT formatQuerySingleLine({sql:String})", "TSVRaw", params={"sql": _escape(sql)})
        return str(said.bytes().decode())

    @staticmethod
    def _prepare(connection: Any, settings: Mapping[str, str], database: str) -> None:
        connection.query("USE `" + database.replace("\\", "\\\\").replace("`", "\\`") + "`")
        pairs = [f"{name} = {_quote(value)}" for name, value in settings.items()]
        # enable_http_compression: clickhouse-connect asks for compression only where the server has it on
        connection.query("SET " + ", ".join([*pairs, "enable_http_compression = 1", "readonly = 1"]))

    def close(self) -> None:
        """Close the engine; clients must be closed before."""
        self._keeper.close()
        self._lock.release()


def _escape(text: str) -> str:
    """A query parameter is read as a TabSeparated field."""
    return (
        text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
    )
