"""Kafka and ClickHouse: where they are found, started and watched, and the topics on them.

Imports ``ops.settings``, ``ops.errors``, ``schemas`` and ``sinks``; no other room of ``ops``.
"""
