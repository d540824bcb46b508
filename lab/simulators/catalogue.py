"""The small assortment that all simulators sell, stock and count: the same seed gives the same products everywhere."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Product", "catalogue"]

_COLOURS = ("black", "white", "sand", "navy", "olive", "rust", "grey", "cream")
_THINGS = (
    ("Lounge chair", 15900, 14000),
    ("Coffee table", 8990, 9000),
    ("Desk lamp", 4995, 1800),
    ("Wool throw", 5900, 1200),
    ("Linen cushion", 2450, 600),
    ("Storage basket", 1995, 800),
    ("Ceramic vase", 3400, 1500),
    ("Wall clock", 2999, 900),
    ("Serving tray", 2250, 1100),
    ("Candle holder", 1250, 450),
    ("Bath towel", 1799, 500),
    ("Espresso cups, 4 pieces", 2699, 1300),
    ("Picture frame", 1495, 700),
    ("Door mat", 1899, 1600),
    ("Plant pot", 1650, 2100),
)
_MAKER = "871234"
"""The GS1 company prefix of the made-up goods (87 = the Netherlands)."""


@dataclass(frozen=True, slots=True)
class Product:
    """A SKU. ``price_minor``: EUR cents, 21 % VAT included; ``weight``: grams; ``ean``: a valid GTIN-13."""

    sku: str
    ean: str
    title: str
    price_minor: int
    weight: int


def _check_digit(digits: str) -> int:
    """GS1's check digit: weights 1, 3, 1, 3 … from the left of a GTIN-13's first twelve digits."""
    total = sum(int(text) * (3 if i % 2 else 1) for i, text in enumerate(digits))
    return -total % 10


def catalogue(seed: int, n: int = 60) -> list[Product]:
    """``n`` products; a longer list begins with the shorter one of the same seed."""
    rng = random.Random(f"catalogue/{seed}")
    products = []
    for i in range(n):
        thing, price, weight = _THINGS[i % len(_THINGS)]
        colour = _COLOURS[(i // len(_THINGS) + i) % len(_COLOURS)]
        body = f"{_MAKER}{i + 1:06d}"
        products.append(
            Product(
                sku=f"WH-{1000 + i}",
                ean=f"{body}{_check_digit(body)}",
                title=f"{thing}, {colour}",
                price_minor=price + rng.randrange(-2, 6) * 50,
                weight=weight,
            )
        )
    return products
