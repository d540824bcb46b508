"""The token that readers of the embedded ClickHouse need, in a file of WHARF_HOME that only its owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["FILE", "read_token", "token_of"]

FILE = "clickhouse.token"


def token_of(home: Path) -> str:
    """The token of ``home``, made where there is none; kept over restarts, in a file that only its owner reads."""
    if token := read_token(home):
        return token
    home.mkdir(parents=True, exist_ok=True)
    new = home / f"{FILE}.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secrets.token_urlsafe(32) + "\n")
    new.replace(home / FILE)
    return read_token(home)


def read_token(home: Path) -> str:
    """The token, ``""`` where there is none yet. Its file is closed to others if someone opened it."""
    file = home / FILE
    if not file.exists():
        return ""
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return file.read_text().strip()
