"""An HTTP request in ClickHouse's manner → query, format, parameters, settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .bounds import DATABASE, Bounds
from .errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, READONLY, ClickHouseError

__all__ = ["Query", "judged", "judged_in_query", "parse"]

# What other servers take and what changes nothing here: no users, no sessions to keep (temporary tables and SET are writes), whole answers.
IGNORED = frozenset(
    {
        "user",
        "password",
        "quota_key",
        "role",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "stacktrace",
    }
    | {"buffer_size", "wait_end_of_query", "send_progress_in_http_headers", "http_headers_progress_interval_ms"}
    | {"client_protocol_version", "http_zlib_compression_level", "add_http_cors_header", "log_queries", "log_comment"}
    | {"cancel_http_readonly_queries_on_client_close", "http_write_exception_in_output_format", "max_block_size"}
    | {
        "date_time_input_format",
        "cast_string_to_dynamic_use_inference",
        "use_query_cache",
        "http_response_buffer_size",
        "output_format_native_use_flattened_dynamic_and_json_serialization",
    }
)
# They say how an answer looks or bound it more; none reads, writes or names a file. Value: what it must match.
_BOOLEAN, _NUMBER = r"[01]|true|false", r"\d{1,12}"
SETTINGS: dict[str, str] = {
    **dict.fromkeys(("join_use_nulls", "extremes", "final", "asterisk_include_alias_columns"), _BOOLEAN),
    **dict.fromkeys(("max_rows_to_read", "max_bytes_to_read", "limit", "offset"), _NUMBER),
    **dict.fromkeys(
        ("max_execution_time", "max_result_rows", "max_result_bytes", "max_memory_usage"), r"-?[\d.]{1,20}"
    ),
    "max_threads": r"[0-4]",
    "session_timezone": r"[A-Za-z0-9_/+-]{0,64}",
    "date_time_output_format": "simple|iso|unix_timestamp",
    "output_format_json_quote_64bit_integers": _BOOLEAN,
    "output_format_json_quote_64bit_floats": _BOOLEAN,
    "output_format_json_quote_denormals": _BOOLEAN,
    "output_format_json_quote_decimals": _BOOLEAN,
    "output_format_json_array_of_rows": _BOOLEAN,
    "output_format_json_escape_forward_slashes": _BOOLEAN,
    "output_format_json_named_tuples_as_objects": _BOOLEAN,
    "output_format_decimal_trailing_zeros": _BOOLEAN,
    "output_format_csv_crlf_end_of_line": _BOOLEAN,
    "output_format_tsv_crlf_end_of_line": _BOOLEAN,
    "output_format_write_statistics": _BOOLEAN,
    "output_format_binary_write_json_as_string": _BOOLEAN,
    "output_format_native_encode_types_in_binary_format": _BOOLEAN,
    "output_format_native_write_json_as_string": _BOOLEAN,
    "output_format_arrow_string_as_string": _BOOLEAN,
    "output_format_arrow_low_cardinality_as_dictionary": _BOOLEAN,
    "output_format_arrow_compression_method": "none|lz4_frame|zstd",
    "output_format_parquet_string_as_string": _BOOLEAN,
    "output_format_parquet_compression_method": "none|snappy|zstd|gzip|lz4|brotli",
    "output_format_parquet_version": r"[12]\.(\d|latest)",
    "output_format_pretty_max_rows": _NUMBER,
    "output_format_pretty_color": r"[01]|auto",
    "output_format_pretty_row_numbers": _BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class Query:
    """What to run. ``format`` is for a query without a FORMAT clause of its own."""

    sql: str
    format: str = "TabSeparated"
    database: str = DATABASE
    compress: bool = True
    parameters: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


def parse(arguments: Mapping[str, str], headers: Mapping[str, str], body: str, bounds: Bounds) -> Query:
    """Read URL arguments (and form fields), headers and body. ``query`` and body are joined by a line break, as ClickHouse does.

    Raises ClickHouseError: 164 for a setting that a read-only user may not change, 48 for what is not offered here.
    """
    parameters, settings = {}, {}
    for name, value in arguments.items():
        if name.startswith("param_"):
            parameters[name.removeprefix("param_")] = value
        elif name in SETTINGS:
            settings[name] = value
        elif name in ("compress", "decompress"):
            if value not in ("0", "false"):
                raise ClickHouseError(
                    NOT_IMPLEMENTED, f"{name}={value}: ask for compression by Accept-Encoding (zstd, lz4, gzip)"
                )
        elif name == "readonly" and value not in ("1", "2"):
            raise ClickHouseError(READONLY, "Cannot modify 'readonly' setting in readonly mode.")
        elif name not in IGNORED and name not in (
            "query",
            "database",
            "default_format",
            "enable_http_compression",
            "readonly",
        ):
            raise ClickHouseError(READONLY, f"Cannot modify '{name}' setting in readonly mode.")
    return Query(
        sql="\n".join(part for part in (arguments.get("query", ""), body) if part),
        format=arguments.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        database=_database(arguments.get("database") or headers.get("X-ClickHouse-Database") or ""),
        compress=arguments.get("enable_http_compression", "1") not in ("0", "false"),
        parameters=parameters,
        settings={name: judged(name, value, bounds) for name, value in settings.items()},
    )


def _database(name: str) -> str:
    return DATABASE if name in ("", "__default__", "default") else name


def judged(name: str, value: str, bounds: Bounds) -> str:
    """The value to set. A caller may lower a bound, not raise it; 0 (no bound) means ours.

    Raises ClickHouseError: 164 for a setting that is not on the list, 36 for a value it can't have.
    """
    if name not in SETTINGS:
        raise ClickHouseError(READONLY, f"Cannot modify '{name}' setting in readonly mode.")
    if not re.fullmatch(SETTINGS[name], value, re.ASCII):
        raise ClickHouseError(BAD_ARGUMENTS, f"{name}: {value[:100]!r} is not a value for it here: {SETTINGS[name]}")
    limits = bounds.settings()
    if name not in limits or name == "max_threads":
        return value
    try:
        wanted = float(value)
    except ValueError as e:
        raise ClickHouseError(BAD_ARGUMENTS, f"{name}: {value!r} is not a number") from e
    return value if 0 < wanted <= float(limits[name]) else limits[name]


def judged_in_query(name: str, value: str, bounds: Bounds) -> None:
    """In the query's own SETTINGS clause nothing can be put in its place: a bound that is lifted is refused."""
    if judged(name, value, bounds) != value:
        raise ClickHouseError(READONLY, f"Cannot lift '{name}' to {value} in readonly mode.")
