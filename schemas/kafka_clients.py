"""What every Kafka client that lives long is told, so that it outlives its brokers."""

from __future__ import annotations

__all__ = ["OUTLIVE"]

OUTLIVE = {
    # The longest pause before a broker is tried again. librdkafka's own 10 s is as long as a transaction lives: after a broker's restart of
    # three seconds every worker would lose its transaction, and with it a restart and a restore of its own.
    "reconnect.backoff.max.ms": 1_000,
    # With librdkafka's default, ``rebootstrap``, a client whose brokers are all away forgets them, and with them its transaction's and its
    # group's coordinator: send_offsets_to_transaction then waits for ever, whatever its time-out says (librdkafka #5511), and a consumer may
    # fetch nothing any more (#5301). docs/faults.md has the run that showed it.
    "metadata.recovery.strategy": "none",
}
"""librdkafka properties; ``WHARF_KAFKA_CONFIG`` may say otherwise."""
