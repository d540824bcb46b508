"""An HTTP request in ClickHouse's manner → query, format, parameters, settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .engine import DATABASE, Bounds
from .errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, READONLY, ClickHouseError

__all__ = ["Query", "parse"]

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
    | {"http_response_buffer_size", "output_format_native_use_flattened_dynamic_and_json_serialization"}
)
# They say how an answer looks or bound it more; none reads or writes.
SETTINGS = frozenset(
    {"session_timezone", "join_use_nulls", "extremes", "final", "max_threads", "date_time_output_format"}
    | {"max_rows_to_read", "max_bytes_to_read", "result_overflow_mode", "limit", "offset", "use_query_cache"}
    | {"max_execution_time", "max_result_rows", "max_result_bytes", "max_memory_usage"}
)


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
        elif name in SETTINGS or name.startswith("output_format_"):
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
        settings={name: _bounded(name, value, bounds) for name, value in settings.items()},
    )


def _database(name: str) -> str:
    return DATABASE if name in ("", "__default__", "default") else name


def _bounded(name: str, value: str, bounds: Bounds) -> str:
    """A caller may lower a bound, not raise it; 0 (no bound) means ours."""
    if name not in (limits := bounds.settings()) or name == "result_overflow_mode":
        return value
    try:
        wanted = float(value)
    except ValueError as e:
        raise ClickHouseError(BAD_ARGUMENTS, f"{name}: {value!r} is not a number") from e
    return value if 0 < wanted <= float(limits[name]) else limits[name]
