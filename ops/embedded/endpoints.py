"""Where the servers are: real ones by setting, else the embedded ones, which leave a note in ``{home}/endpoints.json``."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops.embedded.token import read_token
from ops.errors import UserError
from ops.settings import Settings

__all__ = [
    "clickhouse_client",
    "clickhouse_url",
    "embedded_clickhouse",
    "find",
    "kafka_bootstrap",
    "kafka_config",
    "notes",
    "publish",
    "withdraw",
]

FILE = "endpoints.json"


def publish(home: Path, name: str, **fields: Any) -> None:
    """Note where ``name`` (kafka, clickhouse) is, and that this process (or ``pid``) runs it."""
    with _edit(home) as notes:
        notes[name] = {"pid": os.getpid(), **fields}


def withdraw(home: Path, name: str) -> None:
    """Take this process's note away."""
    with _edit(home) as notes:
        if notes.get(name, {}).get("pid") == os.getpid():
            del notes[name]


def find(home: Path, name: str) -> dict[str, Any] | None:
    """The note on ``name`` if the process that wrote it is alive."""
    file = home / FILE
    note = _load(file).get(name) if file.exists() else None
    return note if note and _alive(int(note["pid"])) else None


def notes(home: Path) -> dict[str, dict[str, Any]]:
    """Every note whose process is alive, by name."""
    file = home / FILE
    found = _load(file) if file.exists() else {}
    return {name: note for name, note in found.items() if _alive(int(note["pid"]))}


def kafka_bootstrap(settings: Settings) -> str:
    """``host:port`` of Kafka. Raises UserError where none runs."""
    if settings.kafka:
        return settings.kafka
    if note := find(settings.home, "kafka"):
        return str(note["bootstrap"])
    raise UserError(f"no Kafka runs in {settings.home}: start `wharf up`, or set WHARF_KAFKA")


def kafka_config(settings: Settings) -> dict[str, str]:
    """librdkafka's properties to reach it: ``bootstrap.servers`` and those of ``WHARF_KAFKA_CONFIG``."""
    return {**settings.kafka_config, "bootstrap.servers": kafka_bootstrap(settings)}


def clickhouse_url(settings: Settings) -> str:
    """The DSN of ``WHARF_CLICKHOUSE``, else the URL of the embedded one. Raises UserError where none runs."""
    if settings.clickhouse:
        return settings.clickhouse
    if url := embedded_clickhouse(settings.home):
        return url
    raise UserError(
        f"no ClickHouse runs in {settings.home}: start `wharf up` (or `wharf sink`), or set WHARF_CLICKHOUSE"
    )


def embedded_clickhouse(home: Path) -> str:
    """The URL of the embedded one, with the token that its readers need; ``""`` where none runs."""
    note = find(home, "clickhouse")
    return str(note["url"]).replace("//", f"//wharf:{read_token(home)}@", 1) if note else ""


def clickhouse_client(settings: Settings) -> Any:
    """A clickhouse-connect client for reading, on the database with our tables. Raises UserError where nothing answers."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    url = clickhouse_url(settings)
    try:
        return clickhouse_connect.get_client(dsn=_dsn(url), autogenerate_session_id=False)
    except ClickHouseError as e:
        raise UserError(f"ClickHouse at {_without_password(url)} does not answer as it should: {str(e)[:300]}") from e


def _dsn(url: str) -> str:
    """clickhouse-connect takes the database from the path."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return url if parts.path.strip("/") else parts._replace(path="/wharf").geturl()


def _without_password(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _load(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text() or "{}"))
    except json.JSONDecodeError:  # someone else's hand: nothing we know runs
        return {}


@contextmanager
def _edit(home: Path) -> Iterator[dict[str, Any]]:
    """The notes, written back whole: several processes write theirs."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{FILE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = home / FILE
        notes = _load(file) if file.exists() else {}
        yield notes
        new = home / f"{FILE}.new"
        new.write_text(json.dumps(notes, indent=1) + "\n")
        new.replace(file)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
