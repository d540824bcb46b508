"""Delivers a simulated WMS's webhooks the way real ones come: signed, sometimes twice, late, out of order, or never."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from lab.simulators.timeline import Timeline, roll

__all__ = ["Courier", "Faults", "sign"]

_RETRY_SECONDS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 15.0)


def sign(secret: str, body: bytes) -> str:
    """``X-Wms-Signature``: base64 of HMAC-SHA256 over the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances a webhook; ``delay_minutes`` is by the simulator's clock and puts later reports before earlier ones."""

    double: float = 0.10
    delay: float = 0.10
    drop: float = 0.01
    delay_minutes: float = 30.0


class Courier:
    """Sends to ``url``. Each event has one id, the same on every try and in every double."""

    def __init__(self, url: str, secret: str, timeline: Timeline, seed: int, faults: Faults | None = None) -> None:
        self.url, self.secret, self.timeline, self.seed = url, secret, timeline, seed
        self.faults = faults or Faults()
        self.counts = {"events": 0, "sent": 0, "doubled": 0, "delayed": 0, "dropped": 0, "retried": 0, "given_up": 0}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(16)
        self._session: aiohttp.ClientSession | None = None
        self._planned = 0

    @property
    def open(self) -> int:
        """Deliveries under way or planned."""
        return len(self._tasks) + self._planned

    def deliver(self, topic: str, event_id: str, body: dict[str, Any]) -> None:
        """Plan one event's deliveries; without a URL there are none."""
        if not self.url:
            return
        self.counts["events"] += 1
        chance = roll(self.seed, event_id)
        if chance.random() < self.faults.drop:
            self.counts["dropped"] += 1
            return
        raw = json.dumps(body, separators=(",", ":")).encode()
        copies = 2 if chance.random() < self.faults.double else 1
        self.counts["doubled"] += copies - 1
        for _ in range(copies):
            late = chance.random() < self.faults.delay
            self.counts["delayed"] += late
            wait = chance.uniform(0, self.faults.delay_minutes) * 60_000 if late else 0.0
            self._planned += 1
            self.timeline.at(self.timeline.now() + int(wait), lambda: self._start(topic, event_id, raw))

    def _start(self, topic: str, event_id: str, raw: bytes) -> None:
        self._planned -= 1
        task = asyncio.get_running_loop().create_task(self._send(topic, event_id, raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, topic: str, event_id: str, raw: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "X-Wms-Topic": topic,
            "X-Wms-Event-Id": event_id,
            "X-Wms-Signature": sign(self.secret, raw),
        }
        for wait in (*_RETRY_SECONDS, None):
            if await self._post(headers, raw):
                self.counts["sent"] += 1
                return
            if wait is not None:
                self.counts["retried"] += 1
                await asyncio.sleep(wait)
        self.counts["given_up"] += 1

    async def _post(self, headers: dict[str, str], raw: bytes) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        try:
            async with self._slots, self._session.post(self.url, data=raw, headers=headers) as answer:
                await answer.read()
                return answer.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def close(self) -> None:
        """Stop every delivery that is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
