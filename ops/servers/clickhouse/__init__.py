"""ClickHouse inside this process (chdb), served read-only over ClickHouse's HTTP protocol."""

from __future__ import annotations

from .engine import Engine
from .http import ReadOnlyServer

__all__ = ["Engine", "ReadOnlyServer"]
