"""A simulated Bol Retailer API v10 over real HTTP: token, media types, rate limits, paging, and everything asynchronous.

As strict as the real one: a token ends after 299 s, a budget per endpoint and second is enforced with 429, a request is only
queued (202) and its process status tells later what became of it. ``GET /_ledger`` tells what really happened.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from lab.simulators.catalogue import Product, catalogue
from lab.simulators.ledger import EventLog
from lab.simulators.payments import Payments
from lab.simulators.timeline import Timeline, roll, serve_until_stopped
from ops.clock import Clock, system

from . import bodies as views
from .gate import Edge, Problem, answer
from .market import Fates, Market, Process
from .orders import Mix, OrderMaker

__all__ = ["BolConfig", "BolSimulator", "run"]

DEFAULT_LIMITS = {
    "GET /retailer/orders": 20,
    "GET /retailer/orders/{id}": 80,
    "PUT /retailer/orders/cancellation": 30,
    "GET /retailer/shipments": 80,
    "POST /retailer/shipments": 40,
    "GET /shared/process-status": 100,
    "GET /shared/process-status/{id}": 150,
}
"""Requests a second by endpoint (any other: 20). Bol publishes none and tells them in headers only."""


@dataclass(frozen=True, slots=True)
class BolConfig:
    """``over_minutes`` by the simulator's clock: the orders come in that long. ``errors``: chance of a 503, and of silence after a
    POST was taken in. ``products``: empty means the catalogue of the seed."""

    orders: int = 100
    over_minutes: float = 600.0
    seed: int = 1
    client_id: str = "simulated"
    client_secret: str = "simulated"  # noqa: S105 — the demonstration's own
    token_seconds: int = 299
    ledger: Path | None = None
    products: tuple[Product, ...] = ()
    mix: Mix = field(default_factory=Mix)
    fates: Fates = field(default_factory=Fates)
    limits: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    errors: float = 0.005


class BolSimulator:
    """The server. ``app()`` gives the aiohttp application; ``market`` and ``ledger`` are there for tests in the same process."""

    def __init__(self, config: BolConfig, now: Clock = system) -> None:
        self.config, self.now = config, now
        self.ledger = EventLog(config.ledger, now)
        self.timeline = Timeline(now)
        maker = OrderMaker(config.products or tuple(catalogue(config.seed)), config.seed, config.mix)
        self.payments = Payments(EventLog(None, now))
        self.market = Market(self.ledger, self.timeline, maker, config.seed, config.fates, payments=self.payments)
        self.edge = Edge(config.limits, config.errors, config.seed)

    def app(self) -> web.Application:
        """All routes; the orders begin to come in when it starts."""
        app = web.Application(middlewares=[self.edge.guard])
        add = app.router.add_route
        add("POST", "/token", self._token)
        add("GET", "/retailer/orders", self._orders)
        add("PUT", "/retailer/orders/cancellation", self._cancel)
        add("GET", "/retailer/orders/{id}", self._order)
        add("GET", "/retailer/shipments", self._shipments)
        add("POST", "/retailer/shipments", self._ship)
        add("GET", "/retailer/shipments/{id}", self._shipment)
        add("GET", "/retailer/returns", self._returns)
        add("POST", "/retailer/returns", self._create_return)
        add("GET", "/retailer/returns/{id}", self._return)
        add("PUT", "/retailer/returns/{id}", self._handle_return)
        add("GET", "/shared/process-status", self._processes)
        add("POST", "/shared/process-status", self._bulk)
        add("GET", "/shared/process-status/{id}", self._process)
        add("GET", "/_ledger", self._get_ledger)
        add("GET", "/_payments", self._get_payments)
        add("GET", "/_progress", self._get_progress)
        app.cleanup_ctx.append(self._background)
        return app

    async def _background(self, _: web.Application) -> AsyncIterator[None]:
        if self.config.orders:
            self.market.plan(self.config.orders, self.config.over_minutes)
        task = asyncio.create_task(self.timeline.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self.ledger.close()

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        grant = request.query.get("grant_type") or form.get("grant_type")
        pair = f"{self.config.client_id}:{self.config.client_secret}".encode()
        if request.headers.get("Authorization") != "Basic " + base64.b64encode(pair).decode():
            return web.json_response({"error": "unauthorized_client"}, status=401)
        if grant != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        token = f"token-{len(self.edge.tokens) + 1}"
        self.edge.tokens[token] = time.monotonic() + self.config.token_seconds
        life = self.config.token_seconds
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": life, "scope": "RETAILER"}
        )

    async def _orders(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        if errors := views.query_errors(query):
            raise Problem(400, "Bad Request", "Error validating request.", errors)
        return answer({"orders": views.listed(self.market.orders.values(), query, self.now())})

    async def _order(self, request: web.Request) -> web.Response:
        order = self.market.orders.get(request.match_info["id"])
        if order is None:
            raise Problem(404, "Not Found", f"Order for order id {request.match_info['id']} not found.")
        return answer(views.order_body(order))

    async def _body(self, request: web.Request, check: Callable[[Any], views.Errors]) -> Any:
        try:
            body = json.loads(await request.read())
        except ValueError as e:
            raise Problem(400, "Bad Request", f"Not JSON: {e}") from e
        if errors := check(body):
            raise Problem(400, "Bad Request", "Error validating request.", errors)
        return body

    def _accepted(self, request: web.Request, process: Process) -> web.Response:
        silent = roll(self.config.seed, "silence", process.id).random() < self.config.errors
        if silent and request.transport is not None:
            request.transport.abort()
        return answer(process.body(self._base(request)), 202)

    @staticmethod
    def _base(request: web.Request) -> str:
        return f"{request.scheme}://{request.host}"

    async def _ship(self, request: web.Request) -> web.Response:
        body = await self._body(request, views.shipment_errors)
        return self._accepted(request, self.market.ship(body))

    async def _cancel(self, request: web.Request) -> web.Response:
        body = await self._body(request, views.cancellation_errors)
        return self._accepted(request, self.market.cancel(body))

    async def _handle_return(self, request: web.Request) -> web.Response:
        body = await self._body(request, views.return_request_errors)
        return self._accepted(request, self.market.handle_return(request.match_info["id"], body))

    async def _create_return(self, request: web.Request) -> web.Response:
        body = await self._body(request, views.create_return_errors)
        return self._accepted(request, self.market.create_return(body))

    async def _shipments(self, request: web.Request) -> web.Response:
        order_id, page = request.query.get("order-id"), int(request.query.get("page", "1"))
        found = [shipment for shipment in self.market.shipments.values() if order_id in (None, shipment.order.id)]
        found.sort(key=lambda shipment: shipment.at, reverse=True)
        part = found[(page - 1) * views.PAGE : page * views.PAGE]
        return answer({"shipments": [views.shipment_row(shipment) for shipment in part]})

    async def _shipment(self, request: web.Request) -> web.Response:
        shipment = self.market.shipments.get(request.match_info["id"])
        if shipment is None:
            raise Problem(404, "Not Found", f"Shipment {request.match_info['id']} not found.")
        return answer(views.shipment_body(shipment))

    async def _returns(self, request: web.Request) -> web.Response:
        handled = request.query.get("handled", "false") == "true"
        page = int(request.query.get("page", "1"))
        return answer({"returns": views.returns(self.market, handled, page)})

    async def _return(self, request: web.Request) -> web.Response:
        body = views.return_body(self.market, request.match_info["id"])
        if body is None:
            raise Problem(404, "Not Found", f"Return {request.match_info['id']} not found.")
        return answer(body)

    async def _processes(self, request: web.Request) -> web.Response:
        entity, event = request.query.get("entity-id"), request.query.get("event-type")
        if not entity or not event:
            violation = {"name": "entity-id, event-type", "reason": "both are needed"}
            raise Problem(400, "Bad Request", "Error validating request.", [violation])
        found = [process for process in self.market.by_entity.get(entity, []) if process.event_type == event]
        return answer({"processStatuses": [process.body(self._base(request)) for process in found]})

    async def _bulk(self, request: web.Request) -> web.Response:
        body = await self._body(request, lambda b: [] if isinstance(b, dict) else [{"name": "$", "reason": "object"}])
        ids = [str(q.get("processStatusId")) for q in body.get("processStatusQueries", [])]
        found = [process for i in ids if (process := self.market.processes.get(i)) is not None]
        return answer({"processStatuses": [p.body(self._base(request)) for p in found]})

    async def _process(self, request: web.Request) -> web.Response:
        process = self.market.processes.get(request.match_info["id"])
        if process is None:
            raise Problem(404, "Not Found", f"Process status {request.match_info['id']} not found.")
        return answer(process.body(self._base(request)))

    async def _get_ledger(self, request: web.Request) -> web.Response:
        return web.json_response(
            self.ledger.as_json(request.query.get("kind", ""), int(request.query.get("since", "0")))
        )

    async def _get_payments(self, _: web.Request) -> web.Response:
        return web.json_response(self.payments.ledger.as_json())

    async def _get_progress(self, _: web.Request) -> web.Response:
        return web.json_response(self.progress())

    def _soon(self) -> bool:
        """Whether returns are still to be announced that belong to the run (with the default of days after, they don't)."""
        return self.market.announcements > 0 and self.config.fates.returns_from < 1

    def progress(self) -> dict[str, Any]:
        """Orders come in, units by fate, requests; ``idle``: all orders came and no request waits."""
        items = [item for order in self.market.orders.values() for item in order.items]
        pending = sum(process.status == "PENDING" for process in self.market.processes.values())
        return {
            "orders": len(self.market.orders),
            "planned": self.market.planned,
            "units": {
                "ordered": sum(item.qty for item in items),
                "shipped": sum(item.shipped for item in items),
                "cancelled": sum(item.cancelled for item in items),
            },
            "returns": len(self.market.rmas),
            "returns_to_come": self.market.announcements,
            "processes": {"all": len(self.market.processes), "pending": pending},
            "tokens": len(self.edge.tokens),
            "requests": self.edge.requests,
            "refused_429": self.edge.refused,
            "violations": len(self.ledger.violations()),
            "idle": len(self.market.orders) >= self.market.planned and not pending and not self._soon(),
        }


def run(config: BolConfig, port: int, now: Clock, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(serve_until_stopped(BolSimulator(config, now).app(), port, ready))
