"""What a reader may name: functions, formats, tables and settings, each by an explicit list. What is on none is refused.

``functions.json`` holds every function of the chdb this was reviewed with, allowed or refused; a test tells what a newer one brings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files

__all__ = ["AGGREGATES", "FORMATS", "FUNCTIONS", "KEYWORDS", "SHOWN", "SYSTEM_TABLES", "TABLE_FUNCTIONS", "Refused"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LISTS = json.loads((files(__package__) / "functions.json").read_text())
AGGREGATES = frozenset(_LISTS["aggregates"])
FUNCTIONS = frozenset(name for names in _LISTS["functions"].values() for name in names)
REVIEWED_AND_REFUSED = frozenset(_LISTS["refused"])

# They read nothing but their arguments and tables that stand there.
TABLE_FUNCTIONS = frozenset(
    {"format", "generateseries", "generate_series", "generaterandom", "null", "numbers", "numbers_mt", "primes"}
    | {"values", "sqlstandardvalues", "view", "zeros", "zeros_mt"}
)
# What a canonical query may have before a bracket without calling it.
KEYWORDS = _words(
    "ALL AND ANTI ANY ARRAY AS ASOF BETWEEN BY COLUMNS CROSS CUBE DESCRIBE DISTINCT ELSE END EXCEPT EXISTS EXPLAIN FINAL FROM FULL "
    "GLOBAL GROUP GROUPING HAVING ILIKE IN INNER INTERPOLATE INTERSECT IS JOIN KEY LEFT LIKE LIMIT MATERIALIZED NOT OFFSET ON OR ORDER "
    "OUTER OVER PIPELINE PLAN PREWHERE QUALIFY REPLACE RIGHT ROLLUP ROWS SAMPLE SELECT SEMI SETS STRICT SYNTAX TABLE THEN TO TREE AST "
    "UNION USING VALUES WHEN WHERE WITH"
)
SHOWN = _words("TABLES DATABASES COLUMNS FIELDS CREATE FUNCTIONS INDEX INDEXES INDICES KEYS")
SYSTEM_TABLES = _words(
    "aggregate_function_combinators collations columns completions contributors data_skipping_indices data_skipping_index_types "
    "data_type_families database_engines databases documentation formats functions keywords numbers numbers_mt one settings "
    "table_engines table_functions tables time_zones zeros zeros_mt"
)
# No format with a schema or template in a file, none of another server's wire, none that is an object of Python.
_FORMATS = _words(
    "TabSeparated TSV TabSeparatedRaw TSVRaw Raw TabSeparatedWithNames TSVWithNames TabSeparatedWithNamesAndTypes "
    "TSVWithNamesAndTypes TabSeparatedRawWithNames TSVRawWithNames RawWithNames TabSeparatedRawWithNamesAndTypes "
    "TSVRawWithNamesAndTypes RawWithNamesAndTypes TSKV CSV CSVWithNames CSVWithNamesAndTypes Values LineAsString JSON JSONStrings "
    "JSONColumns JSONColumnsWithMetadata JSONCompact JSONCompactStrings JSONCompactColumns JSONEachRow JSONLines JSONL NDJSON "
    "PrettyJSONEachRow PrettyJSONLines PrettyNDJSON JSONStringsEachRow JSONCompactEachRow JSONCompactEachRowWithNames "
    "JSONCompactEachRowWithNamesAndTypes JSONCompactStringsEachRow JSONCompactStringsEachRowWithNames "
    "JSONCompactStringsEachRowWithNamesAndTypes JSONObjectEachRow JSONEachRowWithProgress BSONEachRow Native RowBinary "
    "RowBinaryWithNames RowBinaryWithNamesAndTypes Parquet Arrow ArrowStream ORC Avro MsgPack Npy Pretty PrettyNoEscapes "
    "PrettyCompact PrettyCompactNoEscapes PrettyCompactMonoBlock PrettyMonoBlock PrettySpace PrettySpaceNoEscapes Vertical XML "
    "Markdown MD RawBLOB SQLInsert Prometheus Null"
)
FORMATS = {name.lower(): name for name in _FORMATS}


@dataclass(frozen=True, slots=True)
class Refused:
    """What the running engine has and no list allows: such a name is refused even where it is not called."""

    functions: frozenset[str] = REVIEWED_AND_REFUSED
    tables: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of_engine(cls, functions: Iterable[str], tables: Iterable[str]) -> Refused:
        """``functions`` of system.functions, ``tables`` of the database system."""
        known = frozenset(name.lower() for name in functions)
        return cls((known - FUNCTIONS - AGGREGATES) | REVIEWED_AND_REFUSED, frozenset(tables) - SYSTEM_TABLES)
