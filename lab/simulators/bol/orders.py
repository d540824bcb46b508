"""Makes the orders of a simulated Bol account: Dutch and Belgian customers, one to three items, a few hard ones."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from lab.simulators.catalogue import Product
from lab.simulators.timeline import roll

__all__ = ["Item", "MarketOrder", "Mix", "OrderMaker"]

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MINUTE = 60_000

_FIRST = ("Anna", "Bram", "Carlijn", "Daan", "Eva", "Femke", "Gijs", "Hanna", "Ilse", "Joris", "Karim", "Lotte", "Noor")
_LAST = (
    "de Vries",
    "Jansen",
    "van Dijk",
    "Bakker",
    "Visser",
    "Smit",
    "Meijer",
    "Peeters",
    "Janssens",
    "Maes",
    "El Amrani",
)
_NL = (
    ("Utrecht", "3511"),
    ("Amsterdam", "1017"),
    ("Rotterdam", "3011"),
    ("Groningen", "9711"),
    ("Eindhoven", "5611"),
    ("Zwolle", "8011"),
    ("Maastricht", "6211"),
    ("Leiden", "2311"),
)
_BE = (("Antwerpen", "2000"), ("Gent", "9000"), ("Brussel", "1000"), ("Leuven", "3000"))
_STREETS = (
    "Dorpsstraat",
    "Stationsweg",
    "Kerkstraat",
    "Molenlaan",
    "Oude Gracht",
    "Lindelaan",
    "Havenkade",
    "Schoolstraat",
)


@dataclass(frozen=True, slots=True)
class Mix:
    """Chances of the special cases of an order (``regret`` and ``fbb`` per item)."""

    belgium: float = 0.2
    regret: float = 0.03
    fbb: float = 0.04
    bad_address: float = 0.01
    pickup: float = 0.03
    discount: float = 0.05
    evening: float = 0.05


@dataclass(slots=True)
class Item:
    """An order item; prices in cents incl. VAT, times in ms. ``handled_at`` 0 while units are open."""

    id: str
    sku: str
    ean: str
    title: str
    qty: int
    price: int
    discount: int
    fbb: bool
    frame: str
    latest: str
    changed_at: int
    regret_after: int = 0
    shipped: int = 0
    cancelled: int = 0
    cancel_requested: bool = False
    handled_at: int = 0
    paid_back: int = 0

    @property
    def open(self) -> int:
        return self.qty - self.shipped - self.cancelled

    def touch(self, now: int) -> None:
        self.changed_at = now
        if not self.open:
            self.handled_at = now


@dataclass(slots=True)
class MarketOrder:
    """``fate``: what is special about it, for the demo's checks."""

    id: str
    placed_at: int
    details: dict[str, str]
    items: list[Item]
    pickup: bool = False
    fate: list[str] = field(default_factory=list)
    number: int = 0


@dataclass(frozen=True, slots=True)
class OrderMaker:
    """``make(i, now)`` gives order ``i``: always the same one for a seed, but for its time."""

    products: Sequence[Product]
    seed: int = 1
    mix: Mix = field(default_factory=Mix)

    def make(self, i: int, now: int) -> MarketOrder:
        chance = roll(self.seed, "bol-order", i)
        number = f"{chance.choice('ABC')}{100_000 + i:06d}{chance.choice('KLMNP')}{chance.choice('XYZ')}{i % 10}"
        placed = now // 1000 * 1000
        details, fate = self._details(chance, i)
        pickup = chance.random() < self.mix.pickup
        if pickup:
            details["pickupPointName"] = f"Afhaalpunt {details['city'].upper()}"
        products = chance.sample(list(self.products), chance.choices((1, 2, 3), (70, 22, 8))[0])
        items = [self._item(chance, i, n, product, placed) for n, product in enumerate(products)]
        fate += ["regret"] if any(item.regret_after for item in items) else []
        fate += ["fbb"] if all(item.fbb for item in items) else ["mixed"] if any(item.fbb for item in items) else []
        return MarketOrder(number, placed, details, items, pickup, fate, i)

    def _details(self, chance: random.Random, i: int) -> tuple[dict[str, str], list[str]]:
        belgian = chance.random() < self.mix.belgium
        city, postcode = chance.choice(_BE if belgian else _NL)
        bad = chance.random() < self.mix.bad_address
        if not belgian:
            postcode += chance.choice("ABCDEFGH") + chance.choice("JKLMNPRX")
        details = {
            "salutation": chance.choice(("MALE", "FEMALE", "UNKNOWN")),
            "firstName": chance.choice(_FIRST),
            "surname": chance.choice(_LAST),
            "streetName": chance.choice(_STREETS),
            "houseNumber": str(chance.randint(1, 240)),
            "zipCode": "0" if bad else postcode,
            "city": city,
            "countryCode": "BE" if belgian else "NL",
            "email": f"{chance.getrandbits(64):016x}{i}@verkopen.example",
            "language": "nl-BE" if belgian else "nl",
        }
        if chance.random() < 0.15:
            details["houseNumberExtension"] = chance.choice("ABC")
        return details, ["bad_address"] if bad else []

    def _item(self, chance: random.Random, i: int, n: int, product: Product, placed: int) -> Item:
        qty = chance.choices((1, 2, 3), (80, 15, 5))[0]
        gross = qty * product.price_minor
        regret = chance.random() < self.mix.regret
        days = chance.randint(2, 4)
        latest = datetime.fromtimestamp(placed / 1000, AMSTERDAM).date() + timedelta(days=days)
        return Item(
            id=str(2_000_000_000 + i * 10 + n),
            sku=product.sku,
            ean=product.ean,
            title=product.title,
            qty=qty,
            price=product.price_minor,
            discount=gross // 10 if chance.random() < self.mix.discount else 0,
            fbb=chance.random() < self.mix.fbb,
            frame="EVENING" if chance.random() < self.mix.evening else "REGULAR",
            latest=latest.isoformat(),
            changed_at=placed,
            regret_after=chance.randint(2, 180) * MINUTE if regret else 0,
        )
