"""Delivers the simulated shop's webhooks the way Shopify does: signed, at least once, out of order, sometimes never.

Shopify waits 5 s for a 2xx and tries 8 times in 4 hours with the body as it first was; here the tries follow each other faster. Each try is
in the ledger before it is made, and its answer after.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import uuid
from collections import Counter

import aiohttp

from lab.simulators.ledger import EventLog
from lab.simulators.timeline import Timeline, roll

from .config import ShopFaults

__all__ = ["ShopCourier"]

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
MINUTE = 60_000


class ShopCourier:
    """Posts to ``url``. An event's id is the same on every try, in every double and in every topic that tells it."""

    def __init__(
        self, url: str, secret: str, shop: str, timeline: Timeline, ledger: EventLog, *, seed: int, faults: ShopFaults
    ) -> None:
        self.url, self.secret, self.shop = url, secret.encode(), shop
        self.timeline, self.ledger, self.seed, self.faults = timeline, ledger, seed, faults
        self.counts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(32)
        self._session: aiohttp.ClientSession | None = None
        self._planned = 0

    @property
    def open(self) -> int:
        """Deliveries under way or planned."""
        return len(self._tasks) + self._planned

    def deliver(self, topic: str, order_id: int, event: str, body: bytes, *, extra_minutes: float = 0.0) -> None:
        """Plan the deliveries of one topic of one event. ``extra_minutes``: held back for so long, whatever the chances say."""
        if not self.url:
            return
        chance = roll(self.seed, event, topic)
        self.counts["webhooks"] += 1
        if chance.random() < self.faults.never and not extra_minutes:
            self.counts["never"] += 1
            self.ledger.append("never_sent", topic=topic, order=order_id, event=event)
            return
        copies = 1 + (chance.random() < self.faults.double)
        self.counts["doubled"] += copies - 1
        webhook = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        for _ in range(copies):
            late = chance.random() < self.faults.late
            self.counts["late"] += late
            minutes = extra_minutes + (chance.uniform(0, self.faults.late_minutes) if late else 0.0)
            self._planned += 1
            due = self.timeline.now() + int(minutes * MINUTE)
            self.timeline.at(due, lambda: self._start(topic, order_id, event, webhook, body))

    def _start(self, topic: str, order_id: int, event: str, webhook: str, body: bytes) -> None:
        self._planned -= 1
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": self.shop,
            "X-Shopify-Api-Version": "2026-04",
            "X-Shopify-Event-Id": str(uuid.UUID(int=roll(self.seed, event).getrandbits(128), version=4)),
            "X-Shopify-Webhook-Id": webhook,
            "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.new(self.secret, body, hashlib.sha256).digest()).decode(),
        }
        task = asyncio.get_running_loop().create_task(self._send(topic, order_id, headers, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, topic: str, order_id: int, headers: dict[str, str], body: bytes) -> None:
        name = headers["X-Shopify-Webhook-Id"]
        for n, wait in enumerate((*RETRY_SECONDS, None), 1):
            self.ledger.append("sent", topic=topic, order=order_id, webhook=name, attempt=n)
            status = await self._post(headers, body)
            self.ledger.append("answered", topic=topic, order=order_id, webhook=name, attempt=n, status=status)
            self.counts[f"answer_{status}"] += 1
            if 200 <= status < 300:
                self.counts["confirmed"] += 1
                return
            if wait is not None:
                self.counts["retried"] += 1
                await asyncio.sleep(wait)
        self.counts["given_up"] += 1
        self.ledger.append("given_up", topic=topic, order=order_id, webhook=name)

    async def _post(self, headers: dict[str, str], body: bytes) -> int:
        """The status; 0 where there was no answer in time."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5, connect=1))
        try:
            async with self._slots, self._session.post(self.url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def close(self) -> None:
        """Stop every delivery that is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
