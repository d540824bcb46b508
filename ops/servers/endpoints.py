"""Where the servers are: real ones by setting, else the embedded ones, which leave a note in ``{home}/endpoints.json``."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import structlog

from ops.errors import UserError
from ops.private import private
from ops.servers.token import read_token
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
    "without_password",
]

FILE = "endpoints.json"
log = structlog.get_logger(__name__)


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
    note = _load(home / FILE).get(name)
    return note if note and _alive(int(note["pid"])) else None


def notes(home: Path) -> dict[str, dict[str, Any]]:
    """Every note whose process is alive, by name."""
    return {name: note for name, note in _load(home / FILE).items() if _alive(int(note["pid"]))}


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
        raise UserError(f"ClickHouse at {without_password(url)} does not answer as it should: {str(e)[:300]}") from e


def _dsn(url: str) -> str:
    """clickhouse-connect takes the database from the path."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return url if parts.path.strip("/") else parts._replace(path="/wharf").geturl()


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _load(file: Path) -> dict[str, dict[str, Any]]:
    """Raises UserError where it holds anything but notes: who runs is not known then."""
    try:
        found = json.loads(file.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        return {}
    except OSError as e:
        raise UserError(f"{file}: {e.strerror or e}") from e
    except (ValueError, RecursionError):  # no UTF-8, no JSON
        found = None
    if not isinstance(found, dict) or not all(_is_note(note) for note in found.values()):
        raise UserError(f"{file}: holds no notes of ours: delete it, stop what runs there and start `wharf up` again")
    return found


def _is_note(note: Any) -> bool:
    return isinstance(note, dict) and isinstance(note.get("pid"), int) and 0 < note["pid"] < 1 << 31


@contextmanager
def _edit(home: Path) -> Iterator[dict[str, Any]]:
    """The notes, written back whole: several processes write theirs."""
    private(home)
    try:
        with _for_us(home / f"{FILE}.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            notes = _known(home / FILE)
            yield notes
            new = home / f"{FILE}.new"
            with _for_us(new) as out:
                out.write(json.dumps(notes, indent=1) + "\n")
            new.replace(home / FILE)
    except OSError as e:
        raise UserError(f"{home / FILE}: {e.strerror or e}: set WHARF_HOME to a directory that you may write to") from e


def _known(file: Path) -> dict[str, dict[str, Any]]:
    """The notes that are there; who starts now begins anew where another hand has made them unreadable."""
    try:
        return _load(file)
    except UserError as e:
        log.warning("the notes are unreadable, begun anew", file=str(file), error=str(e))
        return {}


def _for_us(file: Path) -> TextIO:
    """Open a file anew that only this user can read, also where it was there with more rights."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(handle, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
