from __future__ import annotations

from typing import Any

import pytest

from sinks.clickhouse.migrate import Migration, MigrationError, bundled, migrate, statements
from sinks.clickhouse.rows import TABLES, columns

ONE = Migration(
    1,
    "one",
    "-- why\nCREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = Memory;\nCREATE VIEW IF NOT EXISTS b AS SELECT ';' AS y;\n",
)
TWO = Migration(2, "two", "CREATE TABLE IF NOT EXISTS c (x Int8) ENGINE = Memory")


def test_a_semicolon_at_a_lines_end_ends_a_statement_and_one_in_a_string_does_not() -> None:
    assert statements(ONE.sql) == [
        "CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = Memory",
        "CREATE VIEW IF NOT EXISTS b AS SELECT ';' AS y",
    ]


def test_each_migration_is_applied_once_and_only_what_is_missing(clickhouse: Any) -> None:
    assert migrate(clickhouse, [ONE]) == ["0001_one"]
    assert migrate(clickhouse, [ONE, TWO]) == ["0002_two"]
    assert migrate(clickhouse, [ONE, TWO]) == []
    assert clickhouse.query("SELECT version, name FROM schema_migrations ORDER BY version").result_rows == [
        (1, "one"),
        (2, "two"),
    ]


def test_a_migration_changed_after_it_was_applied_is_refused(clickhouse: Any) -> None:
    migrate(clickhouse, [ONE])
    with pytest.raises(MigrationError, match=r"0001_one\.sql was changed after it was applied"):
        migrate(clickhouse, [Migration(1, "one", ONE.sql + "\n")])


def test_a_database_from_a_newer_version_is_refused(clickhouse: Any) -> None:
    migrate(clickhouse, [ONE, TWO])
    with pytest.raises(MigrationError, match="0002_two, which this version of Wharfinger does not know"):
        migrate(clickhouse, [ONE])


def test_a_migration_cut_off_half_way_is_finished_by_the_next_start(clickhouse: Any) -> None:
    clickhouse.command(statements(ONE.sql)[0])
    assert migrate(clickhouse, [ONE]) == ["0001_one"]
    assert clickhouse.command("SELECT y FROM b") == ";"


def test_our_own_can_each_be_run_again() -> None:
    for migration in bundled():
        for statement in statements(migration.sql):
            assert "IF NOT EXISTS" in statement or "OR REPLACE" in statement, statement[:60]


@pytest.mark.parametrize("topic", TABLES)
def test_every_field_of_an_event_has_its_column(topic: str, clickhouse: Any) -> None:
    migrate(clickhouse)
    table = TABLES[topic]
    there = {row[0] for row in clickhouse.query(f"DESCRIBE TABLE {table.name}").result_rows}
    assert there - {"ingested_at"} == set(columns(table, [], [], 0)), (
        "a new field of the event needs a migration that adds its column"
    )
