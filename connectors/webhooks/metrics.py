"""What the webhook server counts. Labels are ours alone (channel, account, outcome): a stranger can't make new series."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """One server's metrics, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "wharf_webhook_deliveries",
            "Deliveries by outcome: stored, dead_letter, or why they were refused",
            ["channel", "account", "outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "wharf_webhook_seconds",
            "From the first byte to the answer, for stored deliveries",
            ["channel"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._outcomes: dict[tuple[str, str, str], Counter] = {}
        self._durations: dict[str, Histogram] = {}
        self.open = Gauge("wharf_webhook_open", "Requests under way", registry=self.registry)

    def delivered(self, channel: str, account: str, outcome: str) -> None:
        """Count a delivery. (The library's look-up of a labelled counter costs more than its increment.)"""
        key = (channel, account, outcome)
        if key not in self._outcomes:
            self._outcomes[key] = self.deliveries.labels(*key)
        self._outcomes[key].inc()

    def stored(self, channel: str, seconds: float) -> None:
        """Note how long a stored delivery took."""
        if channel not in self._durations:
            self._durations[channel] = self.seconds.labels(channel)
        self._durations[channel].observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)
