"""Everything but Kafka: the aggregates in memory, our senders and receivers, and the simulators over real HTTP on a fast clock."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from connectors.bol.config import BolAccount
from connectors.protocols import Receiver, Translation
from connectors.shopify.config import ShopifyAccount
from connectors.shopify.receiver import ShopifyReceiver
from connectors.threepl.config import ThreePl
from connectors.threepl.receiver import ThreePlReceiver
from domain.errors import Rejected
from domain.order import aggregate as order
from domain.order.state.order import OrderState
from domain.pool import aggregate as pool
from domain.records.commands import EffectOutcome, StockReported, Tick
from domain.records.effects import Sent
from domain.records.record import uuid5
from lab.demo.checks.evidence import Channel, Evidence
from lab.demo.checks.log import Entry
from lab.demo.ledgers import from_bol, from_shopify, from_threepl, money
from lab.simulators.bol.market import Fates
from lab.simulators.bol.server import BolConfig, BolSimulator
from lab.simulators.catalogue import catalogue
from lab.simulators.shopify.command import ShopFaults, ShopifyConfig
from lab.simulators.shopify.server import ShopifySimulator
from lab.simulators.threepl.pick_order import Pace
from lab.simulators.threepl.returns_dock import DockPace, DockRates
from lab.simulators.threepl.server import ThreePlConfig, ThreePlSimulator
from lab.simulators.threepl.webhooks import Faults
from lab.simulators.timeline import serving
from ops.processes.connections import build_pollers, build_senders, close_all
from ops.rules.load import DEFAULTS, load
from ops.settings import Channels, Connections

START = 1_795_415_400_000  # Monday, 23 November 2026, 07:30 in Amsterdam
SPEED = 3000
DEPOTS = ("depot-a", "depot-b")


class Floor:
    """One merchant. ``run`` until everyone is idle; then ``evidence`` is what the demo's checks look at."""

    def __init__(self, home: Path) -> None:
        self.rules = load(DEFAULTS)
        self.home = home
        self.states: dict[str, OrderState] = {}
        self.pool = pool.MemoryPool()
        self.todo: deque[Any] = deque()
        self.order_events: list[Any] = []
        self.pool_events: list[Any] = []
        self.pools_in: list[Any] = []
        self.rejected: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.lanes: dict[tuple[str, str], asyncio.Lock] = {}
        self._began = time.monotonic()

    def now(self) -> int:
        return START + int((time.monotonic() - self._began) * 1000 * SPEED)

    def take(self, found: Translation) -> None:
        self.todo += [*found.orders, *found.pools]
        for effect in found.refetch:
            self._start(effect)

    def fold(self) -> None:
        """Work off all commands; effects begin."""
        while self.todo:
            command = self.todo.popleft()
            try:
                self._order(command) if isinstance(command, _ORDERS) else self._pool(command)
            except Rejected as e:
                self.rejected.append(f"{type(command).__name__}: {e}")

    def _order(self, command: Any) -> None:
        result = order.handle(self.states.get(command.order_key), command, self.rules)
        self.states[command.order_key] = result.state
        self.order_events += result.events
        self.todo += [*result.pool_commands, *result.order_commands]
        for effect in result.effects:
            self._start(effect)

    def _pool(self, command: Any) -> None:
        self.pools_in.append(command)
        result = pool.handle(self.pool, command, self.rules)
        self.pool_events += result.events
        self.todo += result.order_commands

    def _start(self, effect: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._send(effect))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _send(self, effect: Any) -> None:
        lane = self.lanes.setdefault((effect.order_key, effect.target), asyncio.Lock())
        async with lane:
            attempt, sent = 0, Sent(ok=False)
            while not (sent.ok or sent.permanent) and attempt < 40:
                attempt += 1
                sent = await self.senders[effect.target].send(effect, self.now())
                await asyncio.sleep(0 if sent.ok else 0.05)
        self.todo += [*sent.orders, *sent.pools]
        if type(effect).__name__ == "ChannelRefetch":
            return
        self.todo.append(
            EffectOutcome(
                event_id=uuid5(effect.event_id, attempt, "EffectOutcome"),
                type="EffectOutcome",
                time=self.now(),
                source="effects",
                trace=effect.trace,
                order_key=effect.order_key,
                effect_id=effect.event_id,
                kind=type(effect).__name__,
                target=effect.target,
                ok=sent.ok,
                attempts=attempt,
                reference=sent.reference,
                error=sent.error,
                allocation_id=getattr(effect, "allocation_id", ""),
            )
        )

    async def run(self, seconds: float = 120.0) -> None:
        """Until every simulator is idle and nothing is under way."""
        quiet, cursors = 0, dict[str, bytes]()
        async with asyncio.timeout(seconds):
            while quiet < 5:
                tick = Tick(uuid5("tick", self.now(), ""), "Tick", self.now(), "test", "")
                self.todo += pool.handle(self.pool, tick, self.rules).order_commands
                self.fold()
                for poller in self.pollers:
                    async for polled in poller.poll(cursors.get(poller.name), self.now()):
                        for found in polled.translations:
                            if isinstance(found, Translation):
                                self.take(found)
                        cursors[poller.name] = polled.cursor or cursors.get(poller.name, b"")
                self.fold()
                idle = self.shop.progress()["done"] and self.bol.progress()["idle"] and self.wms.progress()["idle"]
                quiet = quiet + 1 if idle and not self.tasks and not self.todo else 0
                await asyncio.sleep(0.02)

    def evidence(self) -> Evidence:
        shop = from_shopify(self.shop.ledger.as_json(), "acme")
        shop.money.extend(money(self.shop.payments.ledger.as_json(), "shopify:acme"))
        bol = from_bol(self.bol.ledger.as_json(), "acme")
        bol.money.extend(money(self.bol.payments.ledger.as_json(), "bol:acme"))
        ledger = self.wms.ledger.as_json()
        ledger["stock"] = {n: d.warehouse.stock for n, d in self.wms.depots.items()}
        ledger["b_grade"] = {n: dict(d.dock.b_grade) for n, d in self.wms.depots.items()}
        ledger["binned"] = {n: dict(d.dock.binned) for n, d in self.wms.depots.items()}
        ledger["not_conserved"] = {n: bad for n, d in self.wms.depots.items() if (bad := d.warehouse.conserved())}
        channels: list[Channel] = [shop, bol]
        return Evidence(
            order_events=_entries(self.order_events),
            pool_events=_entries(self.pool_events),
            pools_in=_entries(self.pools_in),
            channels=channels,
            warehouse=from_threepl(ledger),
        )


_ORDERS = tuple(order.FOLD)


def _entries(records: list[Any]) -> list[Entry]:
    return [
        Entry("", 0, i, getattr(r, "order_key", ""), type(r).__name__, msgspec.to_builtins(r), {}, b"")
        for i, r in enumerate(records)
    ]


@asynccontextmanager
async def open_floor(home: Path, orders: int = 30, returns: float = 0.6) -> AsyncIterator[Floor]:
    """A shop and a Bol account with ``orders`` orders each, two depots with plenty of everything."""
    floor = Floor(home)
    products = tuple(catalogue(1, 12))
    stock = {d: {p.sku: 500 for p in products} for d in DEPOTS}
    async with AsyncExitStack() as stack:
        receivers: dict[str, Receiver] = {}
        hooks = await stack.enter_async_context(serving(_hooks(floor, receivers)))
        pace = 0.2
        floor.shop = ShopifySimulator(
            ShopifyConfig(
                orders=orders,
                over_minutes=60,
                webhook_url=f"{hooks}/shopify",
                products=products,
                faults=ShopFaults(0.1, 0.1, 0.0, 5.0),
                returns=returns,
            ),
            floor.now,
        )
        fates = Fates(returned=returns, return_hours=(10.0, 12.0), returns_from=0.9)
        floor.bol = BolSimulator(
            BolConfig(orders=orders // 2, over_minutes=60, products=products, fates=fates), floor.now
        )
        floor.wms = ThreePlSimulator(
            ThreePlConfig(
                stock=stock,
                webhook_url=hooks,
                pace=Pace().times(pace),
                dock_pace=DockPace().times(pace),
                dock=DockRates(unknown=0.05),
                faults=Faults(0.2, 0.1, 0.0),
            ),
            floor.now,
        )
        urls = [await stack.enter_async_context(serving(s.app())) for s in (floor.shop, floor.bol, floor.wms)]
        found = _connections(urls)
        receivers["shopify"] = ShopifyReceiver("acme", ["simulated"], {})
        receivers.update({d: ThreePlReceiver(d, found.threepl[d]) for d in DEPOTS})
        floor.senders = build_senders(found, home / "labels")
        pollers, closing = build_pollers(found)
        floor.pollers = [p for p in pollers if p.name.startswith("bol:")]
        for depot in DEPOTS:
            floor.todo += [_count(depot, sku, n) for sku, n in stock[depot].items()]
        yield floor
        for task in floor.tasks:
            task.cancel()
        await close_all([*closing, *(s.close for s in floor.senders.values())])


def _connections(urls: list[str]) -> Connections:
    shop, bol, wms = urls
    return Connections(
        channels=Channels(
            shopify={"acme": ShopifyAccount(api_url=shop, token="simulated", secrets=["simulated"])},
            bol={"acme": BolAccount(client_id="simulated", client_secret="simulated", api_url=bol, login_url=bol)},
        ),
        threepl={d: ThreePl(api_url=f"{wms}/{d}", token="simulated", secrets=["simulated"]) for d in DEPOTS},
        carriers={"post": {"costs": {"*": 495}}},  # type: ignore[dict-item]  # pydantic reads it
    )


def _count(depot: str, sku: str, qty: int) -> StockReported:
    fact = f"count/{depot}/{sku}"
    return StockReported(
        uuid5(fact, 0, ""), "StockReported", START, "test", "", "main", fact, "COUNT", depot, sku, "new", qty, ""
    )


def _hooks(floor: Floor, receivers: dict[str, Receiver]) -> web.Application:
    async def receive(request: web.Request) -> web.Response:
        receiver, body = receivers[request.match_info["name"]], await request.read()
        received = receiver.verify({k.lower(): v for k, v in request.headers.items()}, body)
        floor.take(receiver.translate(received, body, floor.now(), "0" * 32))
        return web.Response()

    app = web.Application()
    app.router.add_post("/{name}", receive)
    return app
