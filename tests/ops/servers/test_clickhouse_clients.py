"""What clients, panels and pages ask the embedded ClickHouse goes on working under the reader's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from ops.servers.clickhouse import Engine, ReadOnlyServer
from ops.servers.ports import free_port
from sinks.clickhouse.kpis import KPIS, read
from sinks.clickhouse.migrate import migrate

ROOT = Path(__file__).parents[3]
PANELS = [
    target["rawSql"]
    for panel in json.loads((ROOT / "compose/grafana/kpis.json").read_text())["panels"]
    for target in panel["targets"]
]
PAGES = [
    sql
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for block in re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
    for sql in block.split(";")
    if re.match(r"\s*(SELECT|WITH)\b", sql)
]
# What JDBC, SQLAlchemy, Grafana and DBeaver ask of a server before a person asks anything.
HANDSHAKES = [
    "SELECT version()",
    "SELECT currentUser() AS user, timezone() AS timezone, version() AS version FORMAT RowBinaryWithNamesAndTypes",
    "SELECT name, value, readonly FROM system.settings LIMIT 10000",
    "SELECT name FROM system.databases",
    "SHOW DATABASES",
    "SHOW TABLES FROM wharf",
    "SHOW CREATE TABLE order_events",
    "SHOW FUNCTIONS LIKE 'sum%'",
    "EXISTS TABLE wharf.order_events",
    "DESCRIBE TABLE wharf.orders",
    "DESC wharf.kpi_turnaround",
    "SELECT database, name, engine, primary_key, sorting_key, comment FROM system.tables WHERE database = 'wharf'",
    "SELECT name, type, default_kind, default_expression, comment, position, is_in_primary_key FROM system.columns "
    "WHERE database = 'wharf' AND table = 'order_events' ORDER BY position",
    "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = 'wharf'",
    "SELECT column_name, data_type, is_nullable, ordinal_position FROM information_schema.columns WHERE table_name = 'orders'",
    "SELECT * FROM INFORMATION_SCHEMA.SCHEMATA",
    "SELECT name, case_insensitive, is_aggregate FROM system.functions",
    "SELECT name FROM system.table_engines",
    "SELECT name, alias_to FROM system.data_type_families",
    "SELECT timezone(), toDateTime(now(), 'Europe/Amsterdam')",
]


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[ReadOnlyServer]:
    with engine.client() as client:
        migrate(client)
    server = ReadOnlyServer(engine, free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def reader(server: ReadOnlyServer) -> Iterator[Any]:
    with clickhouse_connect.get_client(dsn=f"http://analyst:{server.token}@127.0.0.1:{server.port}/wharf") as client:
        yield client


@pytest.mark.parametrize("sql", PANELS + PAGES)
def test_every_query_of_the_panels_and_pages_runs(reader: Any, sql: str) -> None:
    reader.query(sql)


@pytest.mark.parametrize("sql", HANDSHAKES)
def test_what_clients_ask_first_is_answered(reader: Any, sql: str) -> None:
    assert reader.raw_query(sql) is not None


def test_the_kpis_of_the_command_run(reader: Any) -> None:
    assert set().union(*(read(reader, by) for by in ("all", "channel", "depot", "day", "sku"))) == set(KPIS)


def test_a_client_may_lower_its_bounds_and_choose_a_zone(reader: Any) -> None:
    settings = {"max_execution_time": 5, "max_result_rows": 10, "session_timezone": "Europe/Amsterdam"}
    assert reader.query("SELECT timezone()", settings=settings).first_row == ("Europe/Amsterdam",)


def test_streams_and_frames_come_through(reader: Any) -> None:
    with reader.query_row_block_stream("SELECT number FROM numbers(200000)") as blocks:
        assert sum(len(block) for block in blocks) == 200_000
    assert len(reader.raw_query("SELECT number FROM numbers(3)", fmt="Parquet")) > 100
