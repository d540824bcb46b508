"""The one owner of a chdb directory: the writer's client, and read-only queries next to it.

chdb gives any number of connections to its one engine; each keeps its own settings, and queries run outside of the GIL. So a query
gets a connection of its own (under a millisecond), bounded and read-only, and never meets the sink's.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.servers.guard import DirectoryLock
from ops.servers.token import token_of

from .bounds import DATABASE, Bounds
from .config import write_config
from .errors import MEMORY_LIMIT_EXCEEDED, QUERY_WAS_CANCELLED, SYNTAX_ERROR, ClickHouseError, from_text
from .names import Refused
from .readonly import allow, format_clause, known_format
from .request import judged, judged_in_query

__all__ = ["DATABASE", "Answer", "Bounds", "Engine", "Ticket"]

LARGE = 16 << 20
"""Bytes of an answer after which memory is given back."""


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


class Ticket:
    """One query's way out: `cancel` stops it wherever it is."""

    def __init__(self) -> None:
        self.tag = uuid.uuid4().hex
        self.cancelled = False

    def check(self) -> None:
        """Raise ClickHouseError (394) where it was cancelled."""
        if self.cancelled:
            raise ClickHouseError(QUERY_WAS_CANCELLED, "Query was cancelled: its client hung up")


class Engine:
    """Opens ``home/clickhouse``. Raises UserError where another process has it."""

    def __init__(self, home: Path, bounds: Bounds | None = None) -> None:
        self.directory = home.absolute() / "clickhouse"
        self.bounds = bounds or Bounds()
        self._lock = DirectoryLock(self.directory / "lock", "ClickHouse")
        self._lock.acquire()
        self.token = token_of(home.absolute())
        import chdb

        self._chdb = chdb
        self._data = str(self.directory / "data")
        # The first connection configures the engine; it stays open while others come and go.
        self._keeper = chdb.connect(f"{self._data}?config-file={write_config(self.directory)}")
        self._keeping = threading.Lock()
        self._keeper.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        self._refused = Refused.of_engine(
            self._lines("SELECT name FROM system.functions"),
            self._lines("SELECT name FROM system.tables WHERE database = 'system'"),
        )
        self.version, self.timezone = self._lines("SELECT arrayJoin([version(), timezone()])")

    def _lines(self, sql: str) -> list[str]:
        with self._keeping:
            return self._keeper.query(sql, "TSVRaw").bytes().decode().splitlines()  # type: ignore[no-any-return]

    def client(self, database: str = DATABASE) -> Any:
        """A clickhouse-connect client that may write: for the sink alone. Its ``database`` is made if it is missing."""
        import clickhouse_connect

        self._lines(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        return clickhouse_connect.get_client(dsn=f"chdb://{self._data}", database=database)

    def read(
        self,
        sql: str,
        *,
        format: str = "TabSeparated",
        parameters: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        database: str = DATABASE,
        ticket: Ticket | None = None,
    ) -> Answer:
        """Judge and run one read-only query. ``settings`` are judged like those of its own SETTINGS clause. Raises ClickHouseError."""
        started = time.perf_counter()
        ticket = ticket or Ticket()
        ticket.check()
        connection = self._chdb.connect(self._data)
        size = 0
        try:
            canonical = self._canonical(connection, sql)
            self._judge(canonical, dict(parameters or {}), database)
            default = known_format(format)
            self._prepare(connection, ticket, settings or {}, database)
            ticket.check()
            answer = _asked(connection, canonical, default, dict(parameters or {}), started)
        except RuntimeError as e:  # chdb's own error is one
            error = from_text(str(e))
            size = LARGE if error.code == MEMORY_LIMIT_EXCEEDED else 0
            raise error from e
        else:
            size = len(answer.body)
            return answer
        finally:
            connection.close()
            if size >= LARGE:
                self._give_back()

    def _judge(self, canonical: str, parameters: dict[str, str], database: str) -> None:
        """Raise ClickHouseError for a query that a reader may not ask."""
        allow(
            canonical,
            parameters,
            database,
            self._refused,
            lambda name, value: judged_in_query(name, value, self.bounds),
        )

    def _give_back(self) -> None:
        """ClickHouse's allocator keeps what queries had; after a large one the machine gets it back (0.1 s)."""
        self._lines("SYSTEM JEMALLOC PURGE")

    def cancel(self, ticket: Ticket) -> None:
        """Stop its query; does nothing where that has ended. One that is about to begin stops too."""
        ticket.cancelled = True
        self._lines(f"KILL QUERY WHERE Settings['log_comment'] = '{ticket.tag}' ASYNC")

    @staticmethod
    def _canonical(connection: Any, sql: str) -> str:
        if not sql.strip():
            raise ClickHouseError(SYNTAX_ERROR, "Empty query")
        said = connection.query("SELECT formatQuerySingleLine({sql:String})", "TSVRaw", params={"sql": _escape(sql)})
        return str(said.bytes().decode()).removesuffix("\n")

    def _prepare(self, connection: Any, ticket: Ticket, settings: Mapping[str, str], database: str) -> None:
        connection.query("USE `" + database.replace("\\", "\\\\").replace("`", "\\`") + "`")
        # Read-only comes first. It is 2, or the engine would refuse every setting of a caller; which ones, the list has said.
        # enable_http_compression: clickhouse-connect asks for compression only where the server has it on
        ours = {**self.bounds.settings(), "enable_http_compression": "1", "log_comment": ticket.tag, "readonly": "2"}
        connection.query(_set(ours))
        if theirs := {name: judged(name, value, self.bounds) for name, value in settings.items()}:
            connection.query(_set(theirs))

    def close(self) -> None:
        """Close the engine; clients must be closed before."""
        self._keeper.close()
        self._lock.release()


def _asked(connection: Any, sql: str, format: str, parameters: dict[str, str], started: float) -> Answer:
    """The answer as our own bytes: the engine's are a view of memory that ends with the result, here."""
    result = connection.query(sql, format, params=parameters)
    body = bytes(result.bytes() or b"")
    used = format_clause(sql) or format
    return Answer(body, used, result.rows_read(), result.bytes_read(), time.perf_counter() - started)


def _set(settings: Mapping[str, str]) -> str:
    return "SET " + ", ".join(f"{name} = {_quote(value)}" for name, value in settings.items())


def _escape(text: str) -> str:
    """A query parameter is read as a TabSeparated field."""
    return (
        text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
    )
