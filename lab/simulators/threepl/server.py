"""A simulated WMS/3PL: the protocol of docs/threepl.md over real HTTP, one depot a path prefix (``/depot-a/pick-orders``).

It is as strict as the protocol and as unreliable as a real one: it may answer 500 before or after it has taken a pick order,
hang up without an answer, and deliver its webhooks twice, late or never. Its ledger (``GET /_ledger``) tells the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from lab.simulators.ledger import EventLog
from lab.simulators.timeline import Timeline, roll, serve_until_stopped
from ops.clock import Clock, system

from .pick_order import Pace, PickOrder, Rates
from .returns_dock import Dock, DockPace, DockRates
from .warehouse import Refused, Warehouse
from .webhooks import Courier, Faults

__all__ = ["PAGE", "HttpFaults", "ThreePlConfig", "ThreePlSimulator", "read_stock", "run"]

PAGE = 100
"""Rows of a page of ``GET /pick-orders``."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HttpFaults:
    """Chances a POST, by its idempotency key and try: the first three tries of a key may fail, later ones never do."""

    error_before: float = 0.02
    error_after: float = 0.02
    hang_up_after: float = 0.02


@dataclass(frozen=True, slots=True)
class ThreePlConfig:
    """``stock``: depot → SKU → units. ``webhook_url`` is the base: the depot's name is appended (``…/webhooks/threepl``)."""

    stock: dict[str, dict[str, int]]
    webhook_url: str = ""
    secret: str = "simulated"  # noqa: S105 — the demonstration's own
    token: str = "simulated"  # noqa: S105
    seed: int = 1
    ledger: Path | None = None
    chatty: bool = False
    rates: Rates = field(default_factory=Rates)
    pace: Pace = field(default_factory=Pace)
    faults: Faults = field(default_factory=Faults)
    http: HttpFaults = field(default_factory=HttpFaults)
    dock: DockRates = field(default_factory=DockRates)
    dock_pace: DockPace = field(default_factory=DockPace)


class _Problem(Exception):
    def __init__(self, status: int, code: str, message: str, at: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.at = status, code, at


@web.middleware
async def _problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except _Problem as e:
        return web.json_response({"error": {"code": e.code, "message": str(e), "field": e.at}}, status=e.status)


class _Depot:
    def __init__(self, name: str, config: ThreePlConfig, ledger: EventLog, timeline: Timeline) -> None:
        url = f"{config.webhook_url.rstrip('/')}/{name}" if config.webhook_url else ""
        self.courier = Courier(url, config.secret, timeline, config.seed, config.faults)
        self.warehouse = Warehouse(
            name,
            config.stock[name],
            ledger,
            timeline,
            self._notify,
            seed=config.seed,
            rates=config.rates,
            pace=config.pace,
            chatty=config.chatty,
        )
        self.dock = Dock(
            name,
            self.warehouse.stock,
            ledger,
            timeline,
            self.courier.deliver,
            seed=config.seed,
            rates=config.dock,
            pace=config.dock_pace,
        )
        self.warehouse.restocked = self.dock.restocked
        self.warehouse.on_shipped = self.dock.maybe_unknown
        self.warehouse.on_undeliverable = self._comes_back
        self.answers: dict[str, tuple[str, dict[str, Any]]] = {}
        self.tries: dict[str, int] = {}

    def _comes_back(self, order: PickOrder) -> None:
        units = [(line.line_id, line.sku) for line in order.lines for _ in range(line.shipped)]
        number = order.shipment["tracking_number"] if order.shipment else ""
        self.dock.give_back(order.reference, units, number)

    def _notify(self, topic: str, order: PickOrder, body: dict[str, Any]) -> None:
        n = len(order.reports) + len(order.scans)
        self.courier.deliver(topic, f"{order.id}/{n}", body)


class ThreePlSimulator:
    """The server. ``app()`` gives the aiohttp application; ``ledger`` and ``depots`` are there for tests in the same process."""

    def __init__(self, config: ThreePlConfig, now: Clock = system) -> None:
        self.config, self.now = config, now
        self.ledger = EventLog(config.ledger, now)
        self.timeline = Timeline(now)
        self.depots = {name: _Depot(name, config, self.ledger, self.timeline) for name in config.stock}

    def app(self) -> web.Application:
        """All routes, with the clock's loop as a background task."""
        app = web.Application(client_max_size=1_000_000, middlewares=[_problems])
        app.router.add_get("/_ledger", self._get_ledger)
        app.router.add_get("/_progress", self._get_progress)
        app.router.add_post("/{depot}/pick-orders", self._post_pick_order)
        app.router.add_get("/{depot}/pick-orders", self._list)
        app.router.add_get("/{depot}/pick-orders/{reference}", self._get)
        app.router.add_post("/{depot}/pick-orders/{reference}/cancellations", self._post_cancellation)
        app.router.add_post("/{depot}/returns", self._post_return)
        app.router.add_post("/{depot}/returns/{rma}/cancellations", self._post_return_cancellation)
        app.router.add_get("/{depot}/returns", self._list_returns)
        app.cleanup_ctx.append(self._background)
        return app

    async def _background(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.timeline.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for depot in self.depots.values():
            await depot.courier.close()
        self.ledger.close()

    def _depot(self, request: web.Request) -> _Depot:
        if request.headers.get("Authorization") != f"Bearer {self.config.token}":
            raise _Problem(401, "unauthorized", "The bearer token is missing or wrong")
        depot = self.depots.get(request.match_info["depot"])
        if depot is None:
            raise _Problem(404, "unknown_depot", request.match_info["depot"])
        return depot

    def _order(self, request: web.Request) -> PickOrder:
        order = self._depot(request).warehouse.orders.get(request.match_info["reference"])
        if order is None:
            raise _Problem(404, "unknown_reference", f"No pick order {request.match_info['reference']}", "reference")
        return order

    async def _post_pick_order(self, request: web.Request) -> web.Response:
        depot = self._depot(request)
        return await self._idempotent(request, depot, lambda body: _take(depot.warehouse, body))

    async def _post_cancellation(self, request: web.Request) -> web.Response:
        depot, order = self._depot(request), self._order(request)

        def take(body: Body) -> Body:
            status = depot.warehouse.cancel(order.reference, body.get("lines", []))
            return {"id": order.id, "reference": order.reference, "status": status}

        return await self._idempotent(request, depot, take)

    async def _post_return(self, request: web.Request) -> web.Response:
        depot = self._depot(request)

        def take(body: Body) -> Body:
            if not isinstance(body, dict) or not body.get("rma") or not isinstance(body.get("lines"), list):
                raise _Problem(400, "invalid", "rma and lines are needed", "rma")
            depot.dock.expect(body)
            return {"id": f"{depot.dock.depot}/{body['rma']}", "rma": body["rma"], "status": "EXPECTED"}

        return await self._idempotent(request, depot, take)

    async def _post_return_cancellation(self, request: web.Request) -> web.Response:
        depot, rma = self._depot(request), request.match_info["rma"]
        if rma not in depot.dock.notices:
            raise _Problem(404, "unknown_rma", f"No notice of {rma}", "rma")

        def take(_: Body) -> Body:
            depot.dock.cancel(rma)
            return {"id": f"{depot.dock.depot}/{rma}", "rma": rma, "status": "CANCELLED"}

        return await self._idempotent(request, depot, take)

    async def _list_returns(self, request: web.Request) -> web.Response:
        dock = self._depot(request).dock
        since, page = _asked(request)
        rows = sorted(
            (receipt for receipt in dock.receipts.values() if receipt.updated_at >= since),
            key=lambda receipt: receipt.updated_at,
        )
        part = rows[(page - 1) * PAGE : page * PAGE]
        more = page + 1 if len(rows) > page * PAGE else None
        return web.json_response({"returns": [receipt.row() for receipt in part], "page": page, "next_page": more})

    async def _idempotent(self, request: web.Request, depot: _Depot, take: Callable[[Body], Body]) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            raise _Problem(400, "invalid", "The header Idempotency-Key is missing", "Idempotency-Key")
        try:
            body = json.loads(await request.read())
        except ValueError as e:
            raise _Problem(400, "invalid", f"The body is no JSON: {e}") from e
        digest = hashlib.sha256(request.path.encode() + json.dumps(body, sort_keys=True).encode()).hexdigest()
        tries = depot.tries[key] = depot.tries.get(key, 0) + 1
        fault = self._fault(key, tries)
        if fault == "before":
            raise _Problem(500, "internal", "Try again")
        known = depot.answers.get(key)
        if known is not None:
            if known[0] != digest:
                raise _Problem(422, "idempotency_key_reused", "This key came with another body", "Idempotency-Key")
            return web.json_response(known[1])
        answer = take(body)
        depot.answers[key] = (digest, answer)
        if fault == "after":
            raise _Problem(500, "internal", "Try again")
        if fault == "hang_up" and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer, status=201)

    def _fault(self, key: str, tries: int) -> str:
        if tries > 3:
            return ""
        number, http = roll(self.config.seed, "http", key, tries).random(), self.config.http
        for name, chance in (
            ("before", http.error_before),
            ("after", http.error_after),
            ("hang_up", http.hang_up_after),
        ):
            if number < chance:
                return name
            number -= chance
        return ""

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._order(request).row())

    async def _list(self, request: web.Request) -> web.Response:
        depot = self._depot(request)
        since, page = _asked(request)
        orders = depot.warehouse.orders.values()
        rows = sorted((order for order in orders if order.updated_at >= since), key=lambda order: order.updated_at)
        part = rows[(page - 1) * PAGE : page * PAGE]
        more = page + 1 if len(rows) > page * PAGE else None
        return web.json_response({"pick_orders": [order.row() for order in part], "page": page, "next_page": more})

    async def _get_ledger(self, request: web.Request) -> web.Response:
        answer = self.ledger.as_json(request.query.get("kind", ""), int(request.query.get("since", "0")))
        answer["stock"] = {name: depot.warehouse.stock for name, depot in self.depots.items()}
        answer["b_grade"] = {name: dict(depot.dock.b_grade) for name, depot in self.depots.items()}
        answer["binned"] = {name: dict(depot.dock.binned) for name, depot in self.depots.items()}
        answer["not_conserved"] = {n: bad for n, depot in self.depots.items() if (bad := depot.warehouse.conserved())}
        return web.json_response(answer)

    async def _get_progress(self, _: web.Request) -> web.Response:
        return web.json_response(self.progress())

    def progress(self) -> dict[str, Any]:
        """Pick orders by state, webhooks by fate; ``idle``: nothing is left to happen."""
        states: dict[str, int] = {}
        webhooks: dict[str, int] = {}
        waiting = receipts = 0
        for depot in self.depots.values():
            waiting += depot.courier.open + depot.dock.on_the_way
            receipts += len(depot.dock.receipts)
            for order in depot.warehouse.orders.values():
                states[order.state] = states.get(order.state, 0) + 1
            for name, n in depot.courier.counts.items():
                webhooks[name] = webhooks.get(name, 0) + n
        unfinished = sum(
            not pick_order.final for value in self.depots.values() for pick_order in value.warehouse.orders.values()
        )
        return {
            "pick_orders": sum(states.values()),
            "states": states,
            "returns": receipts,
            "webhooks": webhooks,
            "violations": len(self.ledger.violations()),
            "idle": not (waiting or unfinished),
        }


def _asked(request: web.Request) -> tuple[int, int]:
    """``updated_since`` (ms) and ``page`` of a list's query."""
    try:
        since = int(datetime.fromisoformat(request.query["updated_since"]).timestamp() * 1000)
        return since, int(request.query.get("page", "1"))
    except (KeyError, ValueError) as e:
        raise _Problem(400, "invalid", "updated_since must be ISO 8601, page a number", "updated_since") from e


def _take(warehouse: Warehouse, body: Body) -> Body:
    problem = _invalid(body)
    if problem:
        raise _Problem(400, "invalid", problem, problem.partition(":")[0])
    if body["reference"] in warehouse.orders:
        raise _Problem(409, "reference_exists", "This pick order came with another idempotency key", "reference")
    try:
        order = warehouse.accept(body)
    except Refused as e:
        raise _Problem(422, e.code, str(e)) from e
    return {"id": order.id, "reference": order.reference, "status": "RECEIVED"}


def _invalid(body: Any) -> str:
    if not isinstance(body, dict) or not isinstance(body.get("reference"), str) or not body["reference"]:
        return "reference: a text is needed"
    lines = body.get("lines")
    if not isinstance(lines, list) or not lines:
        return "lines: at least one is needed"
    for i, line in enumerate(lines):
        if not isinstance(line, dict) or not line.get("line_id") or not line.get("sku"):
            return f"lines[{i}]: line_id and sku are needed"
        if not isinstance(line.get("qty"), int) or line["qty"] < 1:
            return f"lines[{i}].qty: a whole number from 1 is needed"
    if not isinstance(body.get("ship_to"), dict) or not body["ship_to"].get("country"):
        return "ship_to.country: is needed"
    return ""


def read_stock(path: Path) -> dict[str, dict[str, int]]:
    """A stock file: JSON ``{"depot-a": {"WH-1000": 40}}``. Raises ValueError naming what is wrong."""
    data = json.loads(path.read_text())
    if not isinstance(data, dict) or not data or not all(isinstance(value, dict) for value in data.values()):
        raise ValueError(f"{path}: a JSON object depot → SKU → units is needed")
    for depot, skus in data.items():
        for sku, qty in skus.items():
            if not isinstance(qty, int) or isinstance(qty, bool) or qty < 0:
                raise ValueError(f"{path}: {depot}.{sku}: {qty!r} is no number of units")
    return data


def run(config: ThreePlConfig, port: int, now: Clock, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(serve_until_stopped(ThreePlSimulator(config, now).app(), port, ready))
