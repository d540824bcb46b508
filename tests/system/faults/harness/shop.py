"""The load: a shop whose webhooks come doubled, out of order and late, with a ledger that is on disk before each send.

The orders, their returns, the payment provider and the Admin API are the simulated shop's (``lab.simulators``); the deliveries and their ledger are our own. A delivery is sent
until it is answered with 2xx: what was never confirmed can't be lost. Orders come in as fast as confirmations allow (``--open``), at most
``--rate`` a second; ``POST /_pause?on=1`` stops new orders while the system is far behind, ``POST /_enough`` for good.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import hmac
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from lab.simulators.catalogue import catalogue
from lab.simulators.ledger import EventLog
from lab.simulators.payments import Payments
from lab.simulators.shopify.admin_api import Admin
from lab.simulators.shopify.orders import SimOrder
from lab.simulators.shopify.returns import ShopReturns
from lab.simulators.shopify.shop import Shop
from lab.simulators.timeline import Timeline, roll, serve_until_stopped
from ops.clock import from_setting
from ops.settings import Settings

DOUBLED, REORDERED, LATE = 0.20, 0.20, 0.01
REORDER_SECONDS = (0.05, 1.5)
LATE_SPREAD = 1.6
"""``--late`` is the least number of real seconds, this the factor to the most: at the clock's speed days later, when the order has long shipped."""
PATIENCE = 600
MINUTE = 60_000


class Courier:
    """Sends until confirmed. An event's id is the same on every try, in every double and in every topic that tells it."""

    def __init__(self, url: str, secret: str, ledger: EventLog, timeline: Timeline, seed: int, *, late: float) -> None:
        self.url, self.secret, self.ledger, self.timeline, self.seed = url, secret.encode(), ledger, timeline, seed
        self.late_seconds = (late, late * LATE_SPREAD)
        self.counts: Counter[str] = Counter()
        self.open = 0
        self.late = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(32)
        self._session: aiohttp.ClientSession | None = None

    def deliver(self, topic: str, order_id: int, event: str, body: bytes, *, extra_minutes: float = 0.0) -> None:
        """Plan one topic of one event. ``extra_minutes`` (an order whose creation is told after its cancellation) is a reordering."""
        chance = roll(self.seed, event, topic)
        copies = 1 + (chance.random() < DOUBLED)
        self.counts["doubled"] += copies - 1
        for _ in range(copies):
            wait = 0.0
            x = chance.random()
            if x < LATE:
                wait = chance.uniform(*self.late_seconds)
                self.counts["late"] += 1
            elif x < LATE + REORDERED or extra_minutes:
                wait = chance.uniform(*REORDER_SECONDS)
                self.counts["reordered"] += 1
            webhook = str(uuid.UUID(int=chance.getrandbits(128), version=4))
            event_id = str(uuid.UUID(int=roll(self.seed, event).getrandbits(128), version=4))
            self.open += 1
            self.late += x < LATE
            task = asyncio.get_running_loop().create_task(
                self._send(topic, order_id, event_id, webhook, body, wait=wait, late=x < LATE)
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(
        self, topic: str, order_id: int, event_id: str, webhook: str, body: bytes, *, wait: float, late: bool
    ) -> None:
        await asyncio.sleep(wait)
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": "simulated.myshopify.com",
            "X-Shopify-Api-Version": "2026-04",
            "X-Shopify-Event-Id": event_id,
            "X-Shopify-Webhook-Id": webhook,
            "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.new(self.secret, body, hashlib.sha256).digest()).decode(),
        }
        named = {"topic": topic, "order": order_id, "webhook": webhook, "event": event_id}
        for attempt in range(1, PATIENCE):
            async with self._slots:
                self.ledger.append("sent", attempt=attempt, **named)
                status = await self._post(headers, body)
            self.counts[f"answer_{status}"] += 1
            if 200 <= status < 300:
                self.ledger.append("confirmed", attempt=attempt, **named)
                self.counts["confirmed"] += 1
                break
            if status in (400, 401, 404, 413):
                self.ledger.violation("refused", status=status, **named)
                break
            self.counts["retried"] += 1
            await asyncio.sleep(min(0.1 * 2 ** min(attempt, 5), 2.0))
        else:
            self.ledger.violation("never confirmed", **named)
        self.open -= 1
        self.late -= late

    async def _post(self, headers: dict[str, str], body: bytes) -> int:
        """The status; 0 where there was no answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=8, connect=2))
        try:
            async with self._session.post(self.url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    async def close(self) -> None:
        """Stop all deliveries."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


class Load:
    """The shop, its orders coming in, and its routes."""

    def __init__(self, args: argparse.Namespace) -> None:
        now = from_setting(Settings().clock)
        self.args = args
        self.ledger = EventLog(args.ledger, now)
        self.timeline = Timeline(now)
        self.courier = Courier(args.webhooks, args.secret, self.ledger, self.timeline, args.seed, late=args.late)
        courier: Any = self.courier  # what the shop asks of its own courier
        self.payments = Payments(EventLog(args.ledger.with_name("payments.jsonl"), now))
        products = catalogue(args.seed, args.products)
        self.shop = Shop(
            args.seed, products, courier, now, payments=self.payments, returns=args.returns, planned=args.orders
        )
        self.admin = Admin(self.shop, args.token, ShopReturns(self.shop), throttle=0.01)
        self.paused = self.enough = False
        self.touches = 0

    def app(self) -> web.Application:
        """To serve; the orders begin to come in when it starts."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.add_routes(self.admin.routes())
        app.add_routes(
            [
                web.get("/_progress", self._progress),
                web.post("/_pause", self._pause),
                web.post("/_enough", self._enough),
                web.get("/_payments", self._payments),
            ]
        )
        app.cleanup_ctx.append(self._life)
        return app

    async def _life(self, _: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.timeline.run()), asyncio.create_task(self._feed())]
        yield
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.courier.close()
        self.ledger.close()
        self.payments.ledger.close()

    async def _payments(self, _: web.Request) -> web.Response:
        return web.json_response(self.payments.ledger.as_json())

    async def _feed(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for n in range(1, self.args.orders + 1):
            if self.enough:
                return
            while self.paused or self.courier.open - self.courier.late > self.args.open:
                await asyncio.sleep(0.02)
                due = loop.time()
            order = self.shop.place(n)
            for i in range(self.args.touches):
                self.touches += 1
                after = roll(self.args.seed, "touch", n, i).uniform(2, 900)
                self.timeline.at(order.created_at + int(after * MINUTE), partial(self._touch, order, i))
            due += 1 / self.args.rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _touch(self, order: SimOrder, number: int) -> None:
        """A change that says nothing new of what is to be shipped."""
        self.touches -= 1
        if order.cancelled_at is None:
            order.tags = ", ".join([t for t in order.tags.split(", ") if t] + [f"seen-{number}"])
            self.shop._change(order, "touched")
            self.shop._tell(order, f"touched-{number}", ("orders/updated",))

    async def _pause(self, request: web.Request) -> web.Response:
        self.paused = request.query.get("on") == "1"
        return web.json_response({"paused": self.paused})

    async def _enough(self, _: web.Request) -> web.Response:
        self.enough = True
        return web.json_response({"placed": self.shop.counts["orders"]})

    async def _progress(self, _: web.Request) -> web.Response:
        placed = self.shop.counts["orders"]
        fed = self.enough or placed >= self.args.orders
        stories = self.shop.open_stories + self.touches
        return web.json_response(
            {
                "placed": placed,
                "fed": fed and not stories,
                "done": fed and not stories and not self.courier.open,
                "open": self.courier.open,
                "late": self.courier.late,
                "counts": dict(self.courier.counts),
                "changes": dict(self.shop.counts),
            }
        )


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    for name, kind in (
        ("orders", int),
        ("seed", int),
        ("port", int),
        ("products", int),
        ("touches", int),
        ("open", int),
    ):
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--late", type=float, required=True)
    parser.add_argument("--returns", type=float, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    for name in ("webhooks", "secret", "token"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    asyncio.run(serve_until_stopped(Load(args).app(), args.port, print))


if __name__ == "__main__":
    main()
