"""The engine's own configuration: nothing of the network may be read or written, whoever asks."""

from __future__ import annotations

import os
from pathlib import Path
from xml.sax.saxutils import escape

from .bounds import SERVER_MEMORY

__all__ = ["write_config"]

# Of the sources FILE alone, for the sink hands batches over as files; readers meet the lists. No URL, REMOTE, S3 …, no named
# collections, dictionaries, users, introspection.
_GRANTS = (
    "GRANT SHOW, SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY, SYSTEM, FILE ON *.*",
    "GRANT TABLE ENGINE ON *",
)
# Settings that name a file; nobody may change them, not even the sink.
_CONSTANT = (
    "output_format_schema",
    "format_schema",
    "format_schema_source",
    "format_template_row",
    "format_template_resultset",
)

_SERVER = """<clickhouse>
 <max_server_memory_usage>{memory}</max_server_memory_usage>
 <user_files_path>{empty}/</user_files_path>
 <format_schema_path>{empty}/</format_schema_path>
 <users_config>{users}</users_config>
 <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
</clickhouse>
"""
_USERS = """<clickhouse>
 <profiles><default>
  <allow_introspection_functions>0</allow_introspection_functions>
  <constraints>{constant}</constraints>
 </default></profiles>
 <quotas><default/></quotas>
 <users><default>
  <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
  <grants>{grants}</grants>
 </default></users>
</clickhouse>
"""


def write_config(directory: Path) -> Path:
    """Write the configuration and an empty folder for files into ``directory``; the path to give to the engine."""
    empty, users, server = directory / "no-files", directory / "users.xml", directory / "config.xml"
    empty.mkdir(mode=0o700, parents=True, exist_ok=True)
    constant = "".join(f"<{name}><const/></{name}>" for name in _CONSTANT)
    grants = "".join(f"<query>{grant}</query>" for grant in _GRANTS)
    _write(users, _USERS.format(constant=constant, grants=grants))
    _write(server, _SERVER.format(memory=SERVER_MEMORY, empty=escape(str(empty)), users=escape(str(users))))
    return server


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
