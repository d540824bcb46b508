"""What reading may take: one query, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANSWERS", "DATABASE", "READERS", "SERVER_MEMORY", "Bounds"]

DATABASE = "wharf"
READERS = 4
"""Queries that run at once; the next ones wait."""
SERVER_MEMORY = 4 << 30
"""Bytes ClickHouse may hold in all: four readers at their bound (3 GiB) leave the sink its own share of 1 GiB."""
ANSWERS = 384 << 20
"""Bytes of answers on their way to readers, all together."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one query may take: seconds, bytes of memory, rows and bytes of result, threads."""

    seconds: float = 60.0
    memory: int = 768 << 20
    rows: int = 5_000_000
    result: int = 256 << 20
    threads: int = 2

    def settings(self) -> dict[str, str]:
        """ClickHouse's settings for them."""
        return {
            "max_execution_time": str(self.seconds),
            "max_memory_usage": str(self.memory),
            "max_result_rows": str(self.rows),
            "max_result_bytes": str(self.result),
            "result_overflow_mode": "throw",
            "max_threads": str(self.threads),
        }
