"""Queries of an attacker: a grammar that joins every way to name a function with every place where one can stand, with a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Attack", "attacks"]

READERS = ("file", "FILE", "`file`", '"file"', "fi/**/le", "“file”", "`fi\\x6ce`", "file ", "File")
SOURCES = (
    "file('{p}', 'LineAsString')",
    "file('{p}', 'RawBLOB', 'a String')",
    "fileCluster('default', '{p}', 'LineAsString')",
    "url('file://{p}', 'LineAsString')",
    "executable('cat {p}', 'TSV', 'a String')",
    "filesystem('{p}')",
    "sqlite('{w}', 't')",
    "merge('system', '.*')",
    "python(open)",
    "eval('SELECT file(\\'{p}\\')')",
    "viewExplain('', '', (SELECT file('{p}')))",
    "view(SELECT file('{p}') AS a)",
    "viewIfPermitted(SELECT file('{p}') AS a ELSE null('a String'))",
    "format(LineAsString, file('{p}'))",
    "values('a String', file('{p}'))",
    "loop(file('{p}', 'LineAsString'))",
    "remote('127.0.0.1', file('{p}', 'LineAsString'))",
    "clusterAllReplicas('default', view(SELECT file('{p}') AS a))",
    "icebergLocal('{p}')",
    "deltaLakeLocal('{p}')",
    "paimonLocal('{p}')",
    "dictionary('d')",
    "input('a String')",
    "default.`{p}`",
    "`{p}`",
    "system.server_settings",
    "arrowstream('{p}')",
    "fuzzQuery('SELECT file(\\'{p}\\')')",
)
CALLS = (
    "{f}('{p}')",
    "{f}(materialize('{p}'))",
    "{f}('{p}', NULL)",
    "{f}($${p}$$)",
    "{f}(char({codes}))",
    "'{p}'::String AS x, {f}(x)",
    "arrayMap({f}, ['{p}'])",
    "arrayMap(a -> {f}(a), ['{p}'])",
    "arrayFilter(a -> length({f}(a)) > 0 AND throwIf(1, {f}(a)), ['{p}'])",
    "arrayFold((a, b) -> {f}(b), ['{p}'], '')",
    "mapApply((k, v) -> (k, {f}(v)), map('a', '{p}'))",
    "arraySort({f}, ['{p}', '{p}'])",
    "if(1, {f}('{p}'), '')",
    "ifNull({f}('{p}'), '')",
    "throwIf(1, {f}('{p}'))",
    "toUInt8({f}('{p}'))",
    "CAST({f}('{p}') AS UInt8)",
    "any({f}('{p}'))",
    "groupArray({f}('{p}'))",
    "(SELECT {f}('{p}'))",
    "CASE WHEN 1 THEN {f}('{p}') END",
    "formatRow('CSV', {f}('{p}'))",
    "arrayReduce('{f}', ['{p}'])",
    "arrayReduce(concat('any', ''), [{f}('{p}')])",
    "initializeAggregation('{f}', '{p}')",
    "anyIf({f}('{p}'), 1)",
    "max({f}('{p}')) OVER ()",
    "COLUMNS('p') APPLY({f})",
    "* APPLY({f})",
    "* APPLY {f}",
    "* APPLY(a -> {f}(a))",
    "* EXCEPT(q) APPLY({f})",
    "* REPLACE({f}(p) AS p)",
    "t.* APPLY({f})",
    "COLUMNS(p) APPLY(x -> {f}(x)) APPLY(toString)",
    "{{f:Identifier}}('{p}')",
    "arrayMap({{f:Identifier}}, ['{p}'])",
    "* APPLY({{f:Identifier}})",
    "getSetting('format_schema'), {f}('{p}')",
    "catboostEvaluate('{p}', 1)",
    "hasColumnInTable('h', 'u', '{p}', 'd', 't', 'c')",
    "dictGet('d', '{p}', 1), {f}('{p}')",
    "joinGet('{p}', 'a', 1)",
    "globalVariable('{p}'), {f}('{p}')",
)
AROUND = (
    "SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t",
    "WITH {e} AS z SELECT z FROM (SELECT '{p}' AS p, 1 AS q) AS t",
    "WITH c AS (SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t) SELECT * FROM c",
    "SELECT * FROM (SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t)",
    "SELECT 1 UNION ALL SELECT toString({e}) FROM (SELECT '{p}' AS p, 1 AS q) AS t",
    "SELECT 1 FROM (SELECT '{p}' AS p, 1 AS q) AS t WHERE throwIf(1, toString({e}))",
    "SELECT p FROM (SELECT '{p}' AS p, 1 AS q) AS t ORDER BY {e}",
    "SELECT count() FROM (SELECT '{p}' AS p, 1 AS q) AS t GROUP BY {e} HAVING throwIf(1, toString({e}))",
    "FROM (SELECT '{p}' AS p, 1 AS q) AS t SELECT {e}",
    "FROM (SELECT '{p}' AS p, 1 AS q) AS t |> SELECT {e}",
    "EXPLAIN SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t",
    "EXPLAIN QUERY TREE SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t",
    "EXPLAIN SYNTAX run_query_tree_passes = 1 SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t",
    "EXPLAIN PIPELINE SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t",
    "DESCRIBE (SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t)",
    "SELECT * FROM view(SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t)",
    "SELECT [{e}] FROM (SELECT '{p}' AS p, 1 AS q) AS t ARRAY JOIN [{e}] AS j",
    "SELECT 1 IN (SELECT {e} FROM (SELECT '{p}' AS p, 1 AS q) AS t)",
    "SELECT 1 LIMIT length(toString({e}))",
    "SHOW TABLES LIKE {e}",
)
TABLES = (
    "SELECT * FROM {s}",
    "SELECT * FROM (SELECT * FROM {s})",
    "DESCRIBE TABLE {s}",
    "EXPLAIN SELECT * FROM {s}",
    "EXPLAIN QUERY TREE SELECT * FROM {s}",
    "SELECT 1 WHERE '' IN (SELECT toString(*) FROM {s})",
    "WITH c AS (SELECT * FROM {s}) SELECT * FROM c",
    "SELECT * FROM system.one CROSS JOIN {s}",
    "SELECT * FROM numbers(1) AS a, {s} AS b",
    "EXISTS TABLE {s}",
    "INSERT INTO FUNCTION {s} SELECT 1",
    "SHOW CREATE TABLE {s}",
    "SELECT 1 PARALLEL WITH SELECT * FROM {s}",
    "CREATE TABLE x AS {s}",
)
WRITES = (
    "SELECT 1 AS a INTO OUTFILE '{w}'",
    "SELECT 1 AS a INTO OUTFILE '{w}' APPEND",
    "SELECT 1 AS a INTO/**/OUTFILE '{w}' TRUNCATE FORMAT CSV",
    "EXPLAIN SELECT 1 INTO OUTFILE '{w}'",
    "SHOW TABLES INTO OUTFILE '{w}'",
    "DESCRIBE (SELECT 1) INTO OUTFILE '{w}'",
    "EXISTS TABLE a INTO OUTFILE '{w}'",
    "SELECT 1 AS a FORMAT Protobuf SETTINGS output_format_schema = '{w}'",
    "SELECT 1 AS a SETTINGS output_format_schema = '{w}' FORMAT Protobuf",
    "SELECT 1 AS a FORMAT CapnProto SETTINGS `output_format_schema` = '{w}'",
    "SELECT * FROM (SELECT 1 AS a SETTINGS format_schema = '{p}') FORMAT Protobuf",
    "SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '{p}'",
    "INSERT INTO FUNCTION file('{w}', 'CSV', 'a UInt8') VALUES (1)",
    "CREATE TABLE t (a UInt8) ENGINE = File(CSV, '{w}')",
    "CREATE TEMPORARY TABLE t ENGINE = SQLite('{w}', 't')",
    "CREATE DICTIONARY d (a String) PRIMARY KEY a SOURCE(FILE(path '{p}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE FUNCTION f AS (x) -> file(x)",
    "ATTACH DATABASE x ENGINE = Filesystem('{p}')",
    "CREATE DATABASE x ENGINE = SQLite('{w}')",
    "BACKUP DATABASE wharf TO File('{w}')",
    "EXECUTE AS default SELECT file('{p}')",
    "SYSTEM RELOAD CONFIG",
    "exit",
    "SELECT * FROM {{t:Identifier}}",
    "SELECT * FROM system.{{t:Identifier}}",
)
SETTINGS_IN_URL = (
    "output_format_schema",
    "format_schema",
    "format_schema_source",
    "format_template_row",
    "output_format_template_row",
)
FORMATS = (
    "TabSeparated",
    "Protobuf",
    "ProtobufList",
    "ProtobufSingle",
    "CapnProto",
    "Template",
    "DataFrame",
    "ArrowTable",
    "JSON",
)


@dataclass(frozen=True, slots=True)
class Attack:
    """One request: the query and its URL arguments."""

    sql: str
    arguments: dict[str, str]


def attacks(chance: random.Random, read: str, write: str) -> Iterator[Attack]:
    """Attacks without end, on the file ``read`` and with ``write`` as the file to make."""
    while True:
        kind: Callable[[random.Random], str] = chance.choice([_call, _call, _call, _source, _write])
        codes = ", ".join(str(ord(c)) for c in read)
        text = kind(chance)
        sql = text.replace("{{", "\0").replace("}}", "\1").replace("{p}", read).replace("{w}", write)
        sql = sql.replace("{codes}", codes).replace("\0", "{").replace("\1", "}")
        yield Attack(_disguised(sql, chance), _arguments(chance, read, write))


def _call(chance: random.Random) -> str:
    expression = chance.choice(CALLS).replace("{f}", chance.choice(READERS))
    return chance.choice(AROUND).replace("{e}", expression)


def _source(chance: random.Random) -> str:
    return chance.choice(TABLES).replace("{s}", chance.choice(SOURCES))


def _write(chance: random.Random) -> str:
    return chance.choice(WRITES)


def _disguised(sql: str, chance: random.Random) -> str:
    """Spaces, comments, case and brackets, which change nothing."""
    way = chance.randrange(8)
    if way == 0:
        return sql.replace(" ", chance.choice(["\t", "\n", " /* x */ ", " -- x\n"]))
    if way == 1:
        return f"({sql})"
    if way == 2:
        return sql.replace("SELECT", "sElEcT").replace("FROM", "from").replace("APPLY", "apply")
    return sql + chance.choice(["", ";", " FORMAT JSON", " SETTINGS max_threads = 1", " -- '"])


def _arguments(chance: random.Random, read: str, write: str) -> dict[str, str]:
    arguments = {
        "param_f": chance.choice(["file", "FILE", "`file`"]),
        "param_t": chance.choice([read, "processes", "system.processes"]),
    }
    if chance.random() < 0.2:
        arguments[chance.choice(SETTINGS_IN_URL)] = chance.choice([read, write])
    if chance.random() < 0.3:
        arguments["default_format"] = chance.choice(FORMATS)
    if chance.random() < 0.2:
        arguments["database"] = chance.choice(["system", "default", "wharf", read])
    return arguments
