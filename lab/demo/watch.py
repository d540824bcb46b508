"""How far the orders are: a thread that reads ``wharf.orders.events`` as they are committed."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from schemas.patience import partition_counts, patiently

from .checks.log import decode
from .checks.order_books import DONE, PARCEL, Book

__all__ = ["Progress", "Watch"]


BACKGROUND = frozenset({"DUPLICATE", "STALE", "RETURN_REPORTED", "REFUNDED"})
"""What goes on for days after the last parcel: polls that repeat themselves, returns that a channel tells of."""

EXCHANGE = "~x"
"""What the key of an order for an exchange's goods has in it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Orders that have been placed, wholly shipped, delivered or cancelled so far, and how many events said something new."""

    placed: int = 0
    shipped: int = 0
    delivered: int = 0
    cancelled: int = 0
    moves: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


class Watch(threading.Thread):
    """Follows the order events until ``stop``, keeping each order's books."""

    def __init__(self, bootstrap: str, topic: str = "wharf.orders.events") -> None:
        super().__init__(name="watch", daemon=True)
        self._servers = bootstrap
        self._topic = topic
        self._stop_asked = threading.Event()
        self._moves = 0
        self._keys: dict[str, set[str]] = {}
        self._books: dict[str, Book] = {}
        self._delivered: dict[str, dict[str, Any]] = {}
        self._has_return: set[str] = set()
        self._claims: dict[str, tuple[str, str]] = {}
        self._parcels: dict[str, list[tuple[str, int, str]]] = {}

    def run(self) -> None:
        """Read until stopped. A broker that is away is waited for."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "wharf-demo-watch",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        try:
            count = patiently(lambda: partition_counts(consumer, 20))[self._topic]
            consumer.assign([TopicPartition(self._topic, number, 0) for number in range(count)])
            while not self._stop_asked.is_set():
                for message in consumer.consume(1000, timeout=0.3):
                    if message.error() is None:
                        self._saw(message.value() or b"")
        finally:
            consumer.close()

    def _saw(self, value: bytes) -> None:
        name, event = decode(value)
        if name != "OrderEvent":
            return
        kind, key = event["type"], event["order_key"]
        self._moves += kind not in BACKGROUND
        self._returned(kind, key, event)
        if key.startswith(PARCEL):
            return
        if kind != "SHIPPED" or event["complete"]:
            self._keys.setdefault(kind, set()).add(key)
        self._books.setdefault(key, Book(key)).add(event)

    def _returned(self, kind: str, key: str, event: dict[str, Any]) -> None:
        if kind == "DELIVERED" and event["lines"]:
            self._delivered.setdefault(key, event["lines"][0])
        if event["rma_id"]:
            self._has_return.add(key)
        if event["rma_kind"] == "claim":
            self._claims[event["rma_id"]] = (key, kind)
        if key.startswith(PARCEL):
            units = [(x["sku"], x["qty"], x["disposition"]) for x in event["returned"] if x["disposition"]]
            if units:
                self._parcels[key] = units
            if kind == "RETURN_RESOLVED":
                self._parcels.pop(key, None)

    def delivered_lines(self, channel: str) -> list[tuple[str, dict[str, Any]]]:
        """Delivered orders of a channel of which nothing came back, by key, each with a line of it (``line_id``, ``sku``, ``qty``, ``amount``)."""
        found = [(k, dict(line)) for k, line in sorted(self._delivered.items()) if k.startswith(f"{channel}:")]
        return [(k, line) for k, line in found if k not in self._has_return and EXCHANGE not in k]

    def exchanges_to_pay(self) -> list[str]:
        """Orders for an exchange's goods that wait for the customer to pay a difference."""
        return [
            book.key for book in list(self._books.values()) if EXCHANGE in book.key and "AWAITING_PAYMENT" in book.holds
        ]

    def claims_to_decide(self) -> list[tuple[str, str]]:
        """Claims (order key, RMA) that wait for a person."""
        return [(key, rma) for rma, (key, kind) in list(self._claims.items()) if kind == "RETURN_REQUESTED"]

    def unknown_parcels(self) -> list[tuple[str, list[tuple[str, int, str]]]]:
        """Parcels that belong to no order and were looked at: key, and SKU, units and disposition of what is in them."""
        return list(self._parcels.items())

    def progress(self) -> Progress:
        """Return the figures as they are now."""
        sizes = {kind: len(keys) for kind, keys in list(self._keys.items())}
        return Progress(
            sizes.get("PLACED", 0),
            sizes.get("SHIPPED", 0),
            sizes.get("DELIVERED", 0),
            sizes.get("CANCELLED", 0),
            self._moves,
            Counter(book.status for book in list(self._books.values())),
        )

    def unexplained(self) -> dict[str, str]:
        """Orders that are neither at their end nor waiting for a known reason: what they did last, by key.

        Which lines the channel ships itself is not in the events: an order of which something waits for stock may be one of those. The checks know.
        """
        return {
            book.key: f"{book.status} after {book.last}"
            for book in list(self._books.values())
            if book.status not in DONE and not book.explanation() and not +book.waiting
        }

    def stop(self) -> None:
        """Stop and join the watching thread."""
        self._stop_asked.set()
        self.join(10)
