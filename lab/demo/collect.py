"""Gathering the evidence, once everything is quiet: the log, the simulators' ledgers, ClickHouse caught up."""

from __future__ import annotations

import time
from collections.abc import Callable

from ops.servers.signals import Stop

from .checks.clickhouse import ClickHouse
from .checks.evidence import Channel, Evidence, Exchange, Poison, SentOrder
from .checks.log import read_topic
from .ledgers import fetch, from_bol, from_shopify, from_threepl, money, payments
from .processes import ACCOUNT, PORTAL, DemoProcesses

__all__ = ["catch_up", "collect"]

CATCH_UP_SECONDS = 60.0


def collect(
    site: DemoProcesses,
    bootstrap: str,
    clickhouse: ClickHouse,
    broken: list[Poison],
    exchanges: list[Exchange],
    *,
    stop: Stop,
) -> Evidence:
    """Read everything. ``broken``: the deliveries that were spoilt on purpose; ``exchanges``: what customers asked for on the shop's own page.

    ClickHouse is given a minute to catch up with the log; the checks say if it did not. Raises Stopped where ``stop`` is set.
    """
    order_events = list(read_topic(bootstrap, "wharf.orders.events"))
    pool_events = list(read_topic(bootstrap, "wharf.pools.events"))
    stop.check()
    catch_up(clickhouse, {"order_events": len(order_events), "pool_events": len(pool_events)}, stop.sleep)
    stop.check()
    channels: list[Channel] = []
    if site.plan.shopify_orders:
        shop = from_shopify(fetch(site.shopify), ACCOUNT)
        shop.money.extend(money(payments(site.shopify), f"shopify:{ACCOUNT}"))
        channels.append(shop)
    if site.plan.bol_orders:
        bol = from_bol(fetch(site.bol), ACCOUNT)
        bol.money.extend(money(payments(site.bol), f"bol:{ACCOUNT}"))
        channels.append(bol)
    channels.append(Channel(f"shopify:{ACCOUNT}", poison=broken))
    evidence = Evidence(
        order_events=order_events,
        pool_events=pool_events,
        pools_in=list(read_topic(bootstrap, "wharf.pools.in")),
        dlq=list(read_topic(bootstrap, "wharf.dlq", decoded=False)),
        channels=channels,
        warehouse=from_threepl(fetch(site.threepl)),
        rows=clickhouse.rows,
        exchanges=exchanges,
    )
    channels.append(_exchange_orders(evidence))
    return evidence


def _exchange_orders(evidence: Evidence) -> Channel:
    """The orders that exchanges made: the customers asked for their goods, no channel sent them."""
    made = [(exchange, key) for exchange in evidence.exchanges for key in evidence.exchange_orders(exchange.key)]
    orders = [SentOrder(key, {"x1": exchange.goods_qty}, seen=False, told=False) for exchange, key in made]
    return Channel(f"portal:{PORTAL}", orders)


def catch_up(clickhouse: ClickHouse, expected: dict[str, int], pause: Callable[[float], object] = time.sleep) -> None:
    """Wait until each table has as many rows as expected, for a minute at most; ``pause`` waits between two looks."""
    end = time.monotonic() + CATCH_UP_SECONDS
    for table, count in expected.items():
        while clickhouse.value(f"SELECT count() FROM {table}") < count and time.monotonic() < end:  # noqa: S608
            pause(0.2)
