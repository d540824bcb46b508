"""The simulated shop's Admin API: ``orders.json`` with cursors in the Link header, and the GraphQL that ``connectors.shopify`` speaks."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from lab.simulators.timeline import roll

from .orders import SimOrder
from .rest_bodies import iso, order_body
from .returns import ShopReturns
from .shop import Shop, UserErrors

__all__ = ["Admin"]

Variables = dict[str, Any]


def _graphql_error(code: str, message: str) -> web.Response:
    cost = {"requestedQueryCost": 20, "throttleStatus": {"currentlyAvailable": 10, "restoreRate": 50}}
    errors = [{"message": message, "extensions": {"code": code}}]
    return web.json_response({"errors": errors, "extensions": {"cost": cost}})


def _known(order: SimOrder | None, field: str) -> SimOrder:
    if order is None:
        raise UserErrors([field], "It does not exist", "NOT_FOUND")
    return order


def _tail(text: Any) -> int:
    digits = str(text).rpartition("/")[2]
    return int(digits) if digits.isdigit() else 0


class Admin:
    """The routes. ``throttle``: the share of calls that are told to come back."""

    def __init__(self, shop: Shop, token: str, returns: ShopReturns, *, throttle: float = 0.01) -> None:
        self.shop, self.token, self.throttle = shop, token, throttle
        self.returns = returns
        self._calls = 0
        self._operations: dict[str, Callable[[Variables], dict[str, Any]]] = {
            "fulfillmentCreate(": self._fulfillment_create,
            "orderCancel(": self._order_cancel,
            "node(": self._node,
            **returns.operations(),
            "order(": lambda v: {"order": self._graph_order(v.get("id"))},
        }

    def routes(self) -> list[web.RouteDef]:
        """To add to an aiohttp application."""
        base = "/admin/api/{version}"
        return [
            web.get(base + "/orders.json", self.orders),
            web.get(base + "/orders/{order}.json", self.order),
            web.post(base + "/graphql.json", self.graphql),
        ]

    def _admit(self, request: web.Request) -> bool:
        """Check the token; True where the call is to be throttled."""
        given = request.headers.get("X-Shopify-Access-Token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise web.HTTPUnauthorized(text='{"errors":"[API] Invalid API key or access token"}')
        self._calls += 1
        return roll(self.shop.seed, "throttle", self._calls).random() < self.throttle

    async def orders(self, request: web.Request) -> web.Response:
        """A page, oldest change first. An order that changes while one pages comes again on a later page."""
        if self._admit(request):
            raise web.HTTPTooManyRequests(
                headers={"Retry-After": "0.2"}, text='{"errors":"Exceeded 2 calls per second"}'
            )
        limit = min(250, int(request.query.get("limit", "50")))
        after = (0, 0)
        if info := request.query.get("page_info"):
            extra = set(request.query) - {"page_info", "limit"}
            if extra:
                raise web.HTTPBadRequest(text='{"errors":"page_info allows only limit beside it"}')
            after = tuple(json.loads(base64.urlsafe_b64decode(info)))
        elif least := request.query.get("updated_at_min"):
            after = (int(datetime.fromisoformat(least).timestamp() * 1000), 0)
        found = sorted(
            (order.updated_at, order.id) for order in self.shop.orders.values() if (order.updated_at, order.id) > after
        )
        page = found[:limit]
        headers = {}
        if len(found) > limit:
            info = base64.urlsafe_b64encode(json.dumps(page[-1]).encode()).decode()
            url = request.url.with_query({"limit": str(limit), "page_info": info})
            headers["Link"] = f'<{url}>; rel="next"'
        return web.json_response({"orders": [order_body(self.shop.orders[i]) for _, i in page]}, headers=headers)

    async def order(self, request: web.Request) -> web.Response:
        """Answer a query for one order."""
        self._admit(request)
        order = self.shop.orders.get(_tail(request.match_info["order"]))
        if order is None:
            return web.json_response({"errors": "Not Found"}, status=404)
        return web.json_response({"order": order_body(order)})

    async def graphql(self, request: web.Request) -> web.Response:
        """The operations above, each known by its field."""
        throttled = self._admit(request)
        body = await request.json()
        if throttled:
            return _graphql_error("THROTTLED", "Throttled")
        operation = next((do for field, do in self._operations.items() if field in body["query"]), None)
        if operation is None:
            return _graphql_error("undefinedField", "the simulated shop does not know this operation")
        if "refundCreate(" in body["query"] and "@idempotent" not in body["query"]:
            return _graphql_error("BAD_REQUEST", "The @idempotent directive is required for this mutation")
        return web.json_response({"data": operation(body.get("variables") or {})})

    def _find(self, order_gid: Any) -> SimOrder | None:
        return self.shop.orders.get(_tail(order_gid))

    def _graph_order(self, order_gid: Any) -> dict[str, Any] | None:
        order = self._find(order_gid)
        if order is None:
            return None
        fulfilments = [
            {
                "id": f"gid://shopify/Fulfillment/{fulfilment.id}",
                "status": "SUCCESS",
                "trackingInfo": [{"number": fulfilment.number}] if fulfilment.number else [],
                "fulfillmentLineItems": {
                    "nodes": [
                        {"quantity": n, "lineItem": {"id": f"gid://shopify/LineItem/{i}"}} for i, n in fulfilment.lines
                    ]
                },
            }
            for fulfilment in order.fulfilments
        ]
        places = sorted({line.place for line in order.lines})
        return {
            "id": order.gid,
            "cancelledAt": iso(order.cancelled_at),
            **self.returns.of_order(order),
            "fulfillments": fulfilments,
            "fulfillmentOrders": {"nodes": [self._fulfilment_order(order, place) for place in places]},
        }

    def _fulfilment_order(self, order: SimOrder, place: int) -> dict[str, Any]:
        lines = [line for line in order.lines if line.place == place]
        gone = order.cancelled_at is not None
        left = 0 if gone else sum(line.remaining for line in lines)
        nodes = [
            {
                "id": f"gid://shopify/FulfillmentOrderLineItem/{line.id}",
                "remainingQuantity": 0 if gone else line.remaining,
                "lineItem": {"id": f"gid://shopify/LineItem/{line.id}"},
            }
            for line in lines
        ]
        return {
            "id": f"gid://shopify/FulfillmentOrder/{order.id * 10 + place}",
            "status": "OPEN" if left else "CLOSED",
            "updatedAt": iso(order.updated_at),
            "assignedLocation": {"location": {"id": f"gid://shopify/Location/{place + 1}"}},
            "fulfillmentHolds": [],
            "lineItems": {"nodes": nodes},
        }

    def _fulfillment_create(self, v: Variables) -> dict[str, Any]:
        wanted = v["fulfillment"]
        try:
            order, lines = self._requested(wanted)
            made = self.shop.fulfil(order, lines, wanted.get("trackingInfo") or {})
            result: dict[str, Any] = {
                "fulfillment": {"id": f"gid://shopify/Fulfillment/{made.id}", "status": "SUCCESS"},
                "userErrors": [],
            }
        except UserErrors as e:
            result = {"fulfillment": None, "userErrors": e.errors}
        return {"fulfillmentCreate": result}

    def _requested(self, wanted: Variables) -> tuple[SimOrder, list[tuple[int, int]]]:
        """The order and lines; all fulfillment orders must be of one order and one location, as Shopify demands."""
        groups = wanted["lineItemsByFulfillmentOrder"]
        numbers = [_tail(g["fulfillmentOrderId"]) for g in groups]
        order = self.shop.orders.get(numbers[0] // 10) if numbers else None
        if order is None or len(set(numbers)) != len(numbers):
            raise UserErrors(["fulfillment"], "Fulfillment order does not exist.")
        if len({n // 10 for n in numbers}) > 1 or len({n % 10 for n in numbers}) > 1:
            raise UserErrors(["fulfillment"], "All fulfillment orders must be of one order and one location")
        lines = [(_tail(x["id"]), int(x["quantity"])) for g in groups for x in g.get("fulfillmentOrderLineItems") or []]
        return order, lines

    def _order_cancel(self, v: Variables) -> dict[str, Any]:
        order = self._find(v.get("orderId"))
        errors: list[dict[str, Any]] = []
        try:
            self.shop.cancel(_known(order, "orderId"), str(v["reason"]).lower())
        except UserErrors as e:
            errors = e.errors
        job = None if errors else {"id": f"gid://shopify/Job/{_tail(v['orderId'])}", "done": False}
        return {"orderCancel": {"job": job, "orderCancelUserErrors": errors}}

    def _node(self, v: Variables) -> dict[str, Any]:
        """Refunds, fulfilments and fulfillment orders carry their order's number before their own last digit."""
        number = _tail(v.get("id"))
        order = next((o for n in (number, number // 10, number // 1000) if (o := self.shop.orders.get(n))), None)
        return {"node": {"order": {"id": order.gid}} if order else None}
