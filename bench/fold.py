"""What one order costs the worker, without Kafka: ``python -m bench.fold [--short] [--save]``.

Every command of an order's life from its webhook to DELIVERED (two lines, one parcel) goes through what the agents do with it: read the record,
decode the state, decide, encode the state, write the records that come out with their headers. Orders go in hundreds, command by command; each
command's figure is the best of its rounds, for a busy machine only adds.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from bench.results import ROOT, write
from domain.order import aggregate as order
from domain.order.state.order import OrderState
from domain.pool import aggregate as pool
from domain.records.commands import EffectOutcome, OrderUpserted, ShipmentTracked, StockReported, WmsReported
from domain.records.effects import ChannelShipment, PickOrder
from domain.records.record import Record, uuid5
from domain.records.values import Address, Client, Delivery, Order, OrderLine, WmsLine
from domain.rules.ruleset import RuleSet
from lab.simulators.catalogue import catalogue
from ops.rules.load import load
from schemas.codec import decode, encode
from schemas.headers import headers
from streams.pools import TableView

__all__ = ["Flow", "main"]

NOW = 1_795_428_000_000
SKUS = [product.sku for product in catalogue(1, 500)]
_read_state = msgspec.msgpack.Decoder(OrderState).decode
_write_state = msgspec.msgpack.Encoder().encode


class _Table(dict[bytes, bytes]):
    """A table's face over a plain dict."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value

    def delete(self, key: bytes) -> None:
        self.pop(key, None)


def upserted(ordinal: int) -> OrderUpserted:
    """The ``ordinal``-th order."""
    number = str(7_000_000_000_000 + ordinal)
    key = f"shopify:bench:{number}"
    home = Address(
        f"Ada {ordinal}", "", f"Kade {ordinal % 900}", "", "1012 AB", "Amsterdam", "", "NL", f"+316{ordinal:08d}"
    )
    lines = [
        OrderLine(
            f"{number}0{index}", SKUS[(ordinal * 7 + index * 13) % len(SKUS)], 1, 2999, 520, 0, "4001", "A nice thing"
        )
        for index in (1, 2)
    ]
    client = Client(f"{ordinal:064x}", f"customer-{ordinal}@example.com", f"+316{ordinal:08d}", "nl", home, home)
    made = Order(
        key,
        "shopify",
        "bench",
        number,
        f"#{ordinal}",
        NOW + ordinal,
        NOW + ordinal,
        "EUR",
        "paid",
        lines,
        client,
        Delivery("Standard"),
        6493,
        495,
        86,
    )
    fact = f"order@{NOW + ordinal}"
    event_id, trace, digest = uuid5(key, 0, fact), f"{ordinal:032x}", f"{ordinal:016x}"
    return OrderUpserted(
        event_id,
        "OrderUpserted",
        NOW,
        "shopify:bench/webhook",
        trace,
        key,
        fact,
        f"bench-{ordinal}/orders/create",
        digest,
        made,
    )


class Flow:
    """One pool and its orders. ``spent``: command and part → the seconds of each round."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.orders: dict[str, bytes] = {}
        self.view = TableView(_Table(), "main")  # type: ignore[arg-type]  # what it calls is there
        self.spent: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.counts: dict[str, int] = defaultdict(int)
        depots = [depot.id for depot in rules.depots]
        for sku in SKUS:
            for depot in depots:
                name = f"{depot}/{sku}"
                head = (uuid5(name, 0, "count"), "StockReported", NOW, "bench", "")
                pool.handle(
                    self.view, StockReported(*head, "main", name, "COUNT", depot, sku, "new", 10**9, name), rules
                )

    def run(self, commands: Iterable[Record], name: str) -> list[Record]:
        """Fold commands of one sort, part by part; gives what came out."""
        values = [encode(command) for command in commands]
        clock, parts = time.perf_counter, [time.perf_counter()]
        read = [decode(value) for value in values]
        parts.append(clock())
        out = self._pools(read) if _is_pool(read[0]) else self._orders(read)
        parts.append(clock())
        for record in out:
            encode(record)
            headers(record)
        parts.append(clock())
        for part, begin, end in zip(("read", "fold", "write"), parts[:-1], parts[1:], strict=True):
            self.spent[name, part].append((end - begin) / len(values))
        self.counts[name] = len(out) // len(values)
        return out

    def _orders(self, commands: list[Any]) -> list[Record]:
        out: list[Record] = []
        for command in commands:
            kept = self.orders.get(command.order_key)
            result = order.handle(_read_state(kept) if kept else None, command, self.rules)
            self.orders[command.order_key] = _write_state(result.state)
            out += (*result.events, *result.pool_commands, *result.effects)
        return out

    def _pools(self, commands: list[Any]) -> list[Record]:
        out: list[Record] = []
        for command in commands:
            result = pool.handle(self.view, command, self.rules)
            out += (*result.events, *result.order_commands)
        return out


def _is_pool(record: Record) -> bool:
    return type(record).__name__ in {"AllocationRequested", "WmsReported", "AllocationReleased", "StockReported"}


def _of(records: Iterable[Record], name: str) -> list[Any]:
    return [record for record in records if type(record).__name__ == name]


def _outcome(effect: PickOrder | ChannelShipment) -> EffectOutcome:
    kind = type(effect).__name__
    head = (uuid5(effect.event_id, 1, "ok"), "EffectOutcome", NOW, "effects", effect.trace)
    return EffectOutcome(
        *head, effect.order_key, effect.event_id, kind, effect.target, True, 1, "wms-1", "", effect.allocation_id
    )


def _reported(pick: PickOrder, status: str, step: int) -> WmsReported:
    lines = [WmsLine(line.line_id, line.sku, line.qty * (step > 1), line.qty * (step > 2)) for line in pick.lines]
    parcel = (
        (f"{pick.allocation_id}-s1", "PostNL", "3S1", "https://tracking.example/3S1", 495)
        if step > 2
        else ("", "", "", "", 0)
    )
    fact, at = f"wms/{status}", NOW + step * 60_000
    head = (uuid5(pick.allocation_id, step, fact), "WmsReported", at, "threepl:depot-a/webhook", pick.trace)
    return WmsReported(*head, "main", pick.order_key, fact, pick.allocation_id, status, lines, *parcel, "EUR", "", at)


def _scanned(pick: PickOrder, status: str, step: int) -> ShipmentTracked:
    fact, at = f"scan/{status}", NOW + step * 60_000
    head = (uuid5(pick.allocation_id, step, fact), "ShipmentTracked", at, "threepl:depot-a/webhook", pick.trace)
    return ShipmentTracked(
        *head, pick.order_key, fact, pick.allocation_id, f"{pick.allocation_id}-s1", status, "PostNL", "3S1", "", at
    )


def live(flow: Flow, first: int, many: int) -> None:
    """The whole life of some orders."""
    out = flow.run([upserted(number) for number in range(first, first + many)], "OrderUpserted")
    out = flow.run(_of(out, "AllocationRequested"), "AllocationRequested")
    picks: list[PickOrder] = _of(flow.run(_of(out, "AllocationDecided"), "AllocationDecided"), "PickOrder")
    flow.run([_outcome(pick) for pick in picks], "EffectOutcome PickOrder")
    for step, status in enumerate(("ACCEPTED", "PICKED", "SHIPPED"), 1):
        out = flow.run([_reported(pick, status, step) for pick in picks], f"WmsReported {status}")
        out = flow.run(_of(out, "AllocationProgressed"), f"AllocationProgressed {status}")
    flow.run([_outcome(shipment) for shipment in _of(out, "ChannelShipment")], "EffectOutcome ChannelShipment")
    for step, status in enumerate(("IN_TRANSIT", "DELIVERED"), 4):
        flow.run([_scanned(pick, status, step) for pick in picks], f"ShipmentTracked {status}")


def rows(flow: Flow) -> list[dict[str, Any]]:
    """A row a command, in the order of an order's life, and their sum."""
    names = list(dict.fromkeys(name for name, _ in flow.spent))
    best: Callable[[str, str], float] = lambda name, part: round(min(flow.spent[name, part]) * 1e6, 1)  # noqa: E731
    found = [
        {"command": n, **{step: best(n, step) for step in ("read", "fold", "write")}, "records_out": flow.counts[n]}
        for n in names
    ]
    for row in found:
        row["sum"] = round(row["read"] + row["fold"] + row["write"], 1)
    total = {
        figure: round(sum(row[figure] for row in found), 1)
        for figure in ("read", "fold", "write", "records_out", "sum")
    }
    return [*found, {"command": "an order", **total}]


def main() -> None:
    """Measure, print, and with ``--save`` keep it for the page."""
    parser = argparse.ArgumentParser(prog="bench.fold", description=__doc__)
    parser.add_argument("--short", action="store_true", help="60 rounds instead of 300")
    parser.add_argument("--many", type=int, default=25, help="orders a round")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    flow = Flow(load(ROOT / "ops" / "defaults" / "rules.yaml"))
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    for number in range(60 if args.short else 300):
        live(flow, number * args.many, args.many)
    found = rows(flow)
    for row in found:
        print(
            f"{row['command']:32}"
            + "".join(f"{row[figure]:8}" for figure in ("read", "fold", "write", "sum", "records_out"))
        )
    if args.save:
        write("fold", "what one order costs the worker, without Kafka", "µs", found)


if __name__ == "__main__":
    main()
