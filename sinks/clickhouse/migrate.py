"""Numbered SQL migrations: each applied once, recorded with its checksum, and checked against it ever after."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

__all__ = ["Migration", "MigrationError", "bundled", "migrate", "statements"]

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migrations
(version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = ReplacingMergeTree ORDER BY version
"""


class MigrationError(RuntimeError):
    """The database and the migrations do not fit together; the message names the migration and the way out."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. Its statements must bear being run again: ClickHouse has no transaction around DDL."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def bundled() -> list[Migration]:
    """The migrations that came with this version, in order. Raises MigrationError where a number is missing or twice there."""
    found = []
    for file in files("sinks.clickhouse").joinpath("migrations").iterdir():
        if match := _NAME.fullmatch(file.name):
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"migrations must be numbered 1, 2, 3 …, not {[migration.version for migration in found]}")
    return found


def statements(sql: str) -> list[str]:
    """The statements of a file: a ``;`` at the end of a line ends one; comment lines are left out."""
    lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return [statement.strip() for statement in re.split(r";[ \t]*(?:\n|$)", "\n".join(lines)) if statement.strip()]


def migrate(client: Any, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing in the client's database; returns the names applied.

    ``client``: a clickhouse-connect client. Raises MigrationError, and whatever the client raises.
    """
    wanted = bundled() if migrations is None else list(migrations)
    client.command(_RECORD)
    rows = client.query("SELECT version, name, checksum FROM schema_migrations FINAL ORDER BY version").result_rows
    _check(wanted, rows)
    done = {row[0] for row in rows}
    return [_apply(client, migration) for migration in wanted if migration.version not in done]


def _check(wanted: Sequence[Migration], rows: Iterable[Sequence[Any]]) -> None:
    ours = {migration.version: migration for migration in wanted}
    for version, name, checksum in rows:
        if version not in ours:
            raise MigrationError(
                f"ClickHouse has migration {version:04d}_{name}, which this version of Wharfinger does not know: run a newer one"
            )
        if ours[version].checksum != checksum:
            raise MigrationError(
                f"{version:04d}_{name}.sql was changed after it was applied: put it back and add a new migration"
            )


def _apply(client: Any, migration: Migration) -> str:
    for statement in statements(migration.sql):
        client.command(statement)
    client.insert(
        "schema_migrations",
        [[migration.version, migration.name, migration.checksum]],
        column_names=["version", "name", "checksum"],
    )
    return f"{migration.version:04d}_{migration.name}"
