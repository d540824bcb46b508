"""Apache Kafka as a child process of ours: `EmbeddedKafka`."""

from __future__ import annotations

from .server import EmbeddedKafka

__all__ = ["EmbeddedKafka"]
