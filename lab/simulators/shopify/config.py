"""What a simulated Shopify shop is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab.simulators.catalogue import Product, catalogue

__all__ = ["ShopFaults", "ShopifyConfig"]


@dataclass(frozen=True, slots=True)
class ShopFaults:
    """Chances of a webhook. ``late``: it comes up to ``late_minutes`` (of the clock) late, behind newer ones; ``never``: not at all."""

    double: float = 0.20
    late: float = 0.20
    never: float = 0.02
    late_minutes: float = 20.0


@dataclass(frozen=True, slots=True)
class ShopifyConfig:
    """``webhook_url``: where our server takes this shop's webhooks (``…/webhooks/shopify/acme``), ``""`` for none.

    ``over_minutes``: of the clock, in which the orders come in. ``throttle``: the share of API calls told to come back.
    ``returns``: the share of orders (of the first 60 % of the run) whose customers send something back.
    """

    orders: int = 100
    over_minutes: float = 600.0
    webhook_url: str = ""
    secret: str = "simulated"  # noqa: S105 — the demonstration's own
    token: str = "simulated"  # noqa: S105
    seed: int = 1
    ledger: Path | None = None
    products: tuple[Product, ...] = field(default_factory=lambda: tuple(catalogue(1)))
    faults: ShopFaults = field(default_factory=ShopFaults)
    throttle: float = 0.01
    returns: float = 0.0
