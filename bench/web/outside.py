"""The outside world of the whole-product benchmark, as cheap as it can be: ``python -m bench.web.outside --port … --webhooks …``.

Speaks the WMS protocol of docs/threepl.md for each depot and the two GraphQL calls of a Shopify fulfilment, over real HTTP, without faults:
each pick order is accepted, picked, shipped, in transit and delivered, ``--step`` seconds apart, each told by a signed webhook. The
simulators of ``ops/`` are the strict ones; they take more CPU an order than the whole product, which is no matter in a demo and would be here.
``GET /_progress`` tells how far it is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from connectors.signatures import sign

__all__ = ["Outside"]

STEPS = ("ACCEPTED", "PICKED", "SHIPPED", "IN_TRANSIT", "DELIVERED")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class _Client(asyncio.Protocol):
    """A keep-alive connection to the webhook server."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self._answer = b""
        self._sent: tuple[bytes, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # of create_connection
        self.outside.free(self)

    def send(self, request: bytes, tries: int) -> None:
        self._answer, self._sent = b"", (request, tries)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        answer = self._answer = self._answer + data
        head, end, body = answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or (length and len(body) < int(length[1])):
            return
        sent, self._sent = self._sent, None
        self.outside.answered(int(answer[9:12]), sent)
        self.outside.free(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.outside.lost(self, self._sent)


class _Server(asyncio.Protocol):
    """One connection of the product to us."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # of create_server

    def data_received(self, data: bytes) -> None:
        self._read += data
        while True:
            head, end, rest = self._read.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if not end or len(rest) < size:
                return
            body, self._read = rest[:size], rest[size:]
            answer = msgspec.json.encode(self.outside.answer(head[: head.index(b" HTTP")].decode(), body))
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(answer), answer)
            )


class Outside:
    """``webhooks``: base URL of our webhooks (``…/webhooks/threepl``); ``step``: seconds between a pick order's reports."""

    def __init__(self, webhooks: str, secret: str, step: float) -> None:
        self.where = urlsplit(webhooks)
        self.secret, self.step = secret, step
        self.lines: dict[str, list[tuple[str, int]]] = {}
        self.pick_orders = self.delivered = self.fulfilled = self.refused = 0
        self._known: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: deque[_Client] = deque()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._due: deque[tuple[float, int, str, dict[str, Any]]] = deque()

    def answer(self, line: str, body: bytes) -> dict[str, Any]:
        """What a request line and its body are answered with."""
        path = line.partition(" ")[2]
        if path == "/_progress":
            return {
                "pick_orders": self.pick_orders,
                "delivered": self.delivered,
                "fulfilled": self.fulfilled,
                "refused": self.refused,
                "waiting": len(self._waiting),
            }
        if path.endswith("graphql.json"):
            return self._graphql(msgspec.json.decode(body)["variables"])
        return self._pick_order(path.split("/")[1], msgspec.json.decode(body))

    def _pick_order(self, depot: str, order: dict[str, Any]) -> dict[str, Any]:
        reference = order["reference"]
        if reference not in self._known:
            self._known.add(reference)
            self.pick_orders += 1
            number = reference.split("/")[1].rpartition(":")[2]
            self.lines.setdefault(number, []).extend((line["line_id"], line["qty"]) for line in order["lines"])
            self._due.append((time.monotonic() + self.step, 0, depot, order))
        return {"id": f"wms-{reference}", "reference": reference, "status": "RECEIVED"}

    def _graphql(self, variables: dict[str, Any]) -> dict[str, Any]:
        if "fulfillment" in variables:
            self.fulfilled += 1
            made = {"id": f"gid://shopify/Fulfillment/{self.fulfilled}", "status": "SUCCESS"}
            return {"data": {"fulfillmentCreate": {"fulfillment": made, "userErrors": []}}}
        number = variables["id"].rpartition("/")[2]
        items = [
            {
                "id": f"gid://shopify/FulfillmentOrderLineItem/{line_id}",
                "remainingQuantity": qty,
                "lineItem": {"id": f"gid://shopify/LineItem/{line_id}"},
            }
            for line_id, qty in self.lines.get(number, ())
        ]
        place = {"location": {"id": "gid://shopify/Location/1"}}
        node = {"id": f"gid://shopify/FulfillmentOrder/{number}", "status": "OPEN", "assignedLocation": place}
        node["lineItems"] = {"nodes": items}
        order = {"id": variables["id"], "cancelledAt": None, "fulfillments": [], "fulfillmentOrders": {"nodes": [node]}}
        return {"data": {"order": order}}

    async def tell(self) -> None:
        """Send what is due, for ever. Each step has the same pause, so one queue is in order."""
        while True:
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                _, step, depot, order = self._due.popleft()
                self._report(step, depot, order)
                if step + 1 < len(STEPS):
                    self._due.append((now + self.step, step + 1, depot, order))
            await asyncio.sleep(0.005)

    def _report(self, step: int, depot: str, order: dict[str, Any]) -> None:
        reference, status = order["reference"], STEPS[step]
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        shipment = {"carrier": "PostNL", "tracking_number": f"3S{reference[-15:]}"}
        name = f"{reference}-s1"
        if status in ("IN_TRANSIT", "DELIVERED"):
            self.delivered += status == "DELIVERED"
            topic, body = "shipment.tracked", {"shipment_id": name, "detail": "Sorted", **shipment}
        else:
            picked, shipped = step >= 1, step >= 2
            lines = [
                {
                    "line_id": line["line_id"],
                    "sku": line["sku"],
                    "picked": line["qty"] * picked,
                    "shipped": line["qty"] * shipped,
                }
                for line in order["lines"]
            ]
            parcel = {"id": name, "cost": 495, "currency": "EUR", **shipment} if shipped else None
            topic, body = "pick_order.updated", {"lines": lines, "shipment": parcel, "reason": ""}
        raw = msgspec.json.encode({"reference": reference, "status": status, "occurred_at": at, **body})
        head = (
            f"POST {self.where.path}/{depot} HTTP/1.1\r\nHost: {self.where.netloc}\r\nContent-Type: application/json\r\n"
            f"X-Wms-Topic: {topic}\r\nX-Wms-Event-Id: {reference}/{step}\r\nX-Wms-Signature: {sign(self.secret, raw)}\r\n"
            f"Content-Length: {len(raw)}\r\n\r\n"
        )
        self._send(head.encode() + raw, 0)

    def _send(self, request: bytes, tries: int) -> None:
        if self._idle:
            self._idle.popleft().send(request, tries)
        else:
            self._waiting.append((request, tries))

    def free(self, client: _Client) -> None:
        """The connection may take the next webhook."""
        if self._waiting:
            client.send(*self._waiting.popleft())
        else:
            self._idle.append(client)

    def lost(self, client: _Client, sent: tuple[bytes, int] | None) -> None:
        """The server closes what is idle for long: another connection takes its place, and what was under way goes again."""
        if client in self._idle:
            self._idle.remove(client)
        if sent is not None:
            self._waiting.append(sent)
        self._tasks.add(asyncio.get_running_loop().create_task(self._connect()))

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: _Client(self), self.where.hostname, self.where.port)

    def answered(self, status: int, sent: tuple[bytes, int] | None) -> None:
        """Anything but a 200 is sent again, as a WMS does."""
        if status != 200 and sent is not None:
            self.refused += 1
            asyncio.get_running_loop().call_later(0.2 * 2 ** sent[1], self._send, sent[0], sent[1] + 1)

    async def run(self, port: int, connections: int) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Server(self), "127.0.0.1", port)
        for _ in range(connections):
            await self._connect()
        async with server:
            await self.tell()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.web.outside", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--webhooks", required=True)
    parser.add_argument("--step", type=float, default=0.5)
    parser.add_argument("--connections", type=int, default=16)
    args = parser.parse_args()
    import uvloop

    outside = Outside(args.webhooks, os.environ["WHARF_BENCH_SECRET"], args.step)
    uvloop.run(outside.run(args.port, args.connections))


if __name__ == "__main__":
    main()
