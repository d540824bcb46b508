"""The load generator, a process of its own: ``python -m bench.web.hammer --url … --seconds 20 --connections 64 [--rate 200]``.

Without a rate each connection sends its next delivery when the last one is answered (how much goes through); with one, deliveries are due
at fixed times whatever the answers do, and a time counts from when it was due (how long it takes). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter, deque
from pathlib import Path
from urllib.parse import urlsplit

from bench.web.deliveries import Deliveries
from lab.simulators.catalogue import catalogue
from ops import clock

__all__ = ["Hammer", "percentile"]


def percentile(values: list[float], share: float) -> float:
    """The value that ``share`` of the sorted ``values`` do not exceed; 0.0 of none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self, hammer: Hammer) -> None:
        self.hammer = hammer
        self.due = 0.0
        self.busy = False
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # of create_connection
        self.hammer.free(self)

    def send(self, request: bytes, due: float) -> None:
        self.busy, self.due, self._answer = True, due, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        answer = self._answer = self._answer + data if self._answer else data
        head, end, body = answer.partition(b"\r\n\r\n")
        if not end:
            return
        at = head.lower().find(b"content-length:")
        if at >= 0 and len(body) < int(head[at + 15 :].partition(b"\r")[0]):
            return
        self.busy = False
        self.hammer.answered(int(answer[9:12]), self.due)
        self.hammer.free(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.hammer.lost(self)


class Hammer:
    """``begin``: the number before the first order's; ``sent`` gets a line ``n seconds`` (epoch) a delivery where it is given."""

    def __init__(self, deliveries: Deliveries, *, rate: float, begin: int, now: clock.Clock) -> None:
        self.deliveries, self.rate, self.number, self.now = deliveries, rate, begin, now
        self.statuses: Counter[int] = Counter()
        self.times: list[float] = []
        self.log: list[tuple[int, float]] = []
        self.ending = False
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()

    def free(self, connection: _Connection) -> None:
        """The connection may take the next delivery."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        elif self.rate or self.ending:
            self._idle.append(connection)
        else:
            connection.send(self._next(), time.perf_counter())

    def lost(self, connection: _Connection) -> None:
        """The server hung up: a delivery under way counts as status 0."""
        if connection.busy:
            self.statuses[0] += 1
        if connection in self._idle:
            self._idle.remove(connection)

    def answered(self, status: int, due: float) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        self.times.append(time.perf_counter() - due)

    def _next(self) -> bytes:
        self.number += 1
        return self.deliveries.request(self.number, self.now())

    async def at_rate(self, seconds: float) -> None:
        """Deliveries at fixed times, from now on."""
        begin, total = time.perf_counter(), int(self.rate * seconds)
        for index in range(total):
            due = begin + index / self.rate
            wait = due - time.perf_counter()
            if wait > 0.001:
                await asyncio.sleep(wait)
            elif not index % 8:
                await asyncio.sleep(0)
            request = self._next()
            self.log.append((self.number, time.time() - (time.perf_counter() - due)))
            if self._idle:
                self._idle.popleft().send(request, due)
            else:
                self._waiting.append((request, due))

    @property
    def open(self) -> bool:
        """Whether deliveries are under way."""
        return sum(self.statuses.values()) < self.number_sent

    @property
    def number_sent(self) -> int:
        """Deliveries sent or waiting for a connection."""
        return self.number - self.begin

    begin = 0


async def run(args: argparse.Namespace) -> dict[str, object]:
    """Hammer for so long, wait for the last answers, and say how it went."""
    where = urlsplit(args.url)
    lines = json.loads(args.lines, object_hook=lambda pairs: {int(k): v for k, v in pairs.items()})
    secret = os.environ["WHARF_BENCH_SECRET"]
    products = catalogue(args.seed, args.products)
    deliveries = Deliveries(
        products, secret=secret, path=where.path, host=where.netloc, seed=args.seed, size=args.size, lines=lines
    )
    hammer = Hammer(
        deliveries, rate=args.rate, begin=args.begin, now=clock.from_setting(os.environ.get("WHARF_CLOCK", ""))
    )
    hammer.begin = args.begin
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), time.process_time()
    connections = [
        await loop.create_connection(lambda: _Connection(hammer), where.hostname, where.port)
        for _ in range(args.connections)
    ]
    if args.rate:
        await hammer.at_rate(args.seconds)
    else:
        await asyncio.sleep(args.seconds)
        hammer.ending = True
    took = time.perf_counter() - began
    done = len(hammer.times)
    end = time.monotonic() + 15
    while hammer.open and time.monotonic() < end:  # noqa: ASYNC110 — the answers come by callbacks
        await asyncio.sleep(0.01)
    for transport, _ in connections:
        transport.close()
    times = sorted(hammer.times)
    if args.sent:
        Path(args.sent).write_text("".join(f"{n} {at:.6f}\n" for n, at in hammer.log))  # noqa: ASYNC240 — at the end
    return {
        "sent": hammer.number_sent,
        "statuses": {str(k): v for k, v in sorted(hammer.statuses.items())},
        "seconds": round(took, 3),
        "rate": round(done / took, 1),
        "p50_ms": round(percentile(times, 0.5) * 1000, 2),
        "p99_ms": round(percentile(times, 0.99) * 1000, 2),
        "generator_cpu_us": round((time.process_time() - cpu) / max(1, hammer.number_sent) * 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.web.hammer", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--size", type=int, default=25_000)
    parser.add_argument("--lines", default='{"12": 1}', help="lines of an order: chance, as JSON")
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("--begin", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sent", default="", help="write `number epoch-seconds` of each delivery here")
    import uvloop

    print(json.dumps(uvloop.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
