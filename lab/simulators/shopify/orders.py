"""The simulated shop's orders, and how one is made from a seed. Money is in cents, VAT included.

Every change moves ``updated_at`` on by a second at least: Shopify counts no finer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.simulators.catalogue import Product
from lab.simulators.timeline import roll

__all__ = ["LINE", "SimFulfilment", "SimLine", "SimOrder", "SimRefund", "SimReturn", "SimReturnLine", "Story", "make"]

LINE = 100
"""Line ids of order ``n`` are ``n * LINE + 1`` and on."""
FIRST_ID = 5_600_000_000_000
REPEATS, REPEATS_AFTER = 0.1, 3
"""This share of the orders is by the customer of so many orders before."""
_PLACES = (
    (
        "NL",
        "Netherlands",
        45,
        ("1015 CN", "Amsterdam"),
        ("3011 AD", "Rotterdam"),
        ("3512 JE", "Utrecht"),
        ("9712 HS", "Groningen"),
    ),
    ("DE", "Germany", 22, ("10115", "Berlin"), ("80331", "München"), ("50667", "Köln")),
    ("BE", "Belgium", 15, ("2000", "Antwerpen"), ("9000", "Gent"), ("1000", "Bruxelles")),
    ("FR", "France", 10, ("75011", "Paris"), ("69002", "Lyon")),
    ("GB", "United Kingdom", 5, ("EC1A 1BB", "London"), ("M1 1AE", "Manchester")),
    (
        "AT",
        "Austria",
        3,
        ("1010", "Wien"),
    ),
)
_STREETS = (
    "Keizersgracht",
    "Kerkstraat",
    "Hauptstraße",
    "Rue de la Paix",
    "Station Road",
    "Lange Nieuwstraat",
    "Lindenallee",
)
_FIRST = ("Anna", "Bram", "Chloé", "Daan", "Emma", "Finn", "Greta", "Hugo", "Ines", "Jan", "Lotte", "Noah", "Zoë")
_LAST = ("Jansen", "de Vries", "Müller", "Peeters", "Dubois", "Smith", "Bakker", "Schmidt", "van den Berg", "Moreau")
_DIAL = {"NL": "+31 6 1234 {:04d}", "DE": "+49 151 2345 {:04d}", "BE": "+32 470 12 {:04d}", "FR": "+33 6 12 34 {:04d}"}


@dataclass(slots=True)
class SimLine:
    """``cancelled`` and ``fulfilled`` units; ``item`` is the id of its line on fulfilment order ``place`` (0 or 1)."""

    id: int
    product: Product
    qty: int
    discount: int = 0
    group: int | None = None
    place: int = 0
    cancelled: int = 0
    fulfilled: int = 0

    @property
    def remaining(self) -> int:
        """Units still to fulfil."""
        return self.qty - self.cancelled - self.fulfilled


@dataclass(slots=True)
class SimRefund:
    """Units refunded: ``restock`` ``cancel`` before they shipped, ``no_restock`` after. ``paid``: (payment, cents) that went back."""

    id: int
    at: int
    lines: list[tuple[int, int]]
    restock: str = "cancel"
    note: str = "cancelled by the customer"
    shipping: int = 0
    paid: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class SimReturnLine:
    """Units of a line that come back; ``processed`` of them so far. ``id`` is the return line's, ``line`` the order line's."""

    id: int
    line: int
    qty: int
    reason: str
    note: str = ""
    processed: int = 0


@dataclass(slots=True)
class SimReturn:
    """A return as the shop knows it; ``status`` REQUESTED, OPEN, CLOSED, DECLINED, CANCELED. ``refunds``: ids."""

    id: int
    name: str
    at: int
    status: str
    lines: list[SimReturnLine]
    refunds: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SimFulfilment:
    """A fulfilment that Wharfinger made."""

    id: int
    at: int
    company: str
    number: str
    url: str
    lines: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Story:
    """What will happen to an order, in minutes after it was placed (None: never); ``returned_after`` its first fulfilment. ``bad_address``: its postcode is wrong at first."""

    bad_address: bool = False
    paid_after: float | None = 0.0
    fixed_after: float | None = None
    cancelled_after: float | None = None
    part_after: float | None = None
    create_is_late: bool = False
    returned_after: float | None = None


@dataclass(slots=True)
class SimOrder:
    """An order as the shop knows it. Times are UTC ms."""

    id: int
    number: int
    created_at: int
    updated_at: int
    lines: list[SimLine]
    customer: dict[str, str]
    address: dict[str, str | None]
    right_zip: str
    express: bool
    shipping: int
    story: Story
    test: bool = False
    tags: str = ""
    financial_status: str = "paid"
    cancelled_at: int | None = None
    cancel_reason: str | None = None
    refunds: list[SimRefund] = field(default_factory=list)
    fulfilments: list[SimFulfilment] = field(default_factory=list)
    returns: list[SimReturn] = field(default_factory=list)
    changes: int = 0

    @property
    def gid(self) -> str:
        """Global id of the order: ``gid://shopify/Order/…``."""
        return f"gid://shopify/Order/{self.id}"

    @property
    def payment(self) -> int:
        """The id of its one payment."""
        return self.id * 10 + 8

    @property
    def total(self) -> int:
        """Total of the order in cents."""
        return sum(line.product.price_minor * line.qty - line.discount for line in self.lines) + self.shipping

    def touch(self, now: int) -> None:
        """A change: ``updated_at`` moves on."""
        self.updated_at = max(now // 1000 * 1000, self.updated_at + 1000)
        self.changes += 1

    def line(self, number: int) -> SimLine | None:
        """A line by id."""
        return next((x for x in self.lines if x.id == number), None)


def make(seed: int, n: int, products: Sequence[Product], now: int, returns: float = 0.0) -> SimOrder:
    """The ``n``-th order (from 1) of a seed's shop. ``returns``: the chance that its customer sends something back."""
    chance = roll(seed, "order", n)
    order_id = FIRST_ID + n
    picked = chance.sample(
        list(products), k=min(len(products), chance.choices((1, 2, 3, 4, 6), (40, 28, 18, 10, 4))[0])
    )
    two_places = len(picked) >= 3 and chance.random() < 0.2
    lines = [
        SimLine(
            id=order_id * LINE + i + 1,
            product=product,
            qty=chance.choices((1, 2, 3, 5), (70, 20, 8, 2))[0],
            place=int(two_places and i == len(picked) - 1),
        )
        for i, product in enumerate(picked)
    ]
    if len(lines) > 1 and chance.random() < 0.15:
        for line in lines[:2]:
            line.group, line.qty = order_id * 10, 1
    if chance.random() < 0.15:
        for line in lines:
            line.discount = line.product.price_minor * line.qty // 10
    express = chance.random() < 0.15
    goods = sum(x.product.price_minor * x.qty - x.discount for x in lines)
    customer, address = _customer(seed, n)
    story = _story(seed, n, returns)
    tags = [text for text, number in (("VIP", 0.05), ("newsletter", 0.2), ("gift", 0.05)) if chance.random() < number]
    second = now // 1000 * 1000
    return SimOrder(
        id=order_id,
        number=1000 + n,
        created_at=second,
        updated_at=second,
        lines=lines,
        customer=customer,
        address={**address, "zip": "00" if story.bad_address else address["zip"]},
        right_zip=str(address["zip"]),
        express=express,
        shipping=995 if express else (0 if goods >= 7500 else 495),
        story=story,
        test=chance.random() < 0.01,
        tags=", ".join(tags),
        financial_status="paid" if story.paid_after == 0.0 else "pending",
    )


def _story(seed: int, n: int, returns: float) -> Story:
    chance = roll(seed, "story", n)
    paid: float | None = 0.0
    fixed = cancelled = part = None
    if chance.random() < 0.08:
        paid = chance.uniform(5, 120)
    bad = chance.random() < 0.04
    if bad and chance.random() < 0.75:
        fixed = chance.uniform(10, 120)
    kind = chance.random()
    if kind < 0.04:
        cancelled = chance.uniform(0.5, 60)
    elif kind < 0.06:
        part = chance.uniform(0.5, 40)
    late = cancelled is not None and chance.random() < 0.3
    back = roll(seed, "returned", n)
    after = back.uniform(570, 800) if back.random() < returns else None
    return Story(bad, paid, fixed, cancelled, part, late, after)


def _customer(seed: int, n: int) -> tuple[dict[str, str], dict[str, str | None]]:
    """Some customers order again within minutes, to the same address: what bundling is for."""
    again = n > REPEATS_AFTER and roll(seed, "again", n).random() < REPEATS
    who = n - REPEATS_AFTER if again else n
    chance = roll(seed, "customer", who)
    random, choice, choices = chance.random, chance.choice, chance.choices
    place = choices(_PLACES, [value[2] for value in _PLACES])[0]
    zip_code, city = choice(place[3:])
    first, last = choice(_FIRST), choice(_LAST)
    phone = _DIAL.get(place[0], "+44 7700 90{:04d}").format(who % 10_000)
    customer = {"first": first, "last": last, "email": f"customer-{who}@example.com", "language": place[0].lower()}
    address: dict[str, str | None] = {
        "first_name": first,
        "last_name": last,
        "name": f"{first} {last}",
        "company": "Example BV" if random() < 0.08 else None,
        "address1": f"{choice(_STREETS)} {1 + who % 240}",
        "address2": "2nd floor" if random() < 0.1 else None,
        "zip": zip_code,
        "city": city,
        "province": None,
        "province_code": None,
        "country": place[1],
        "country_code": place[0],
        "phone": "call the neighbours" if random() < 0.03 else phone,
        "latitude": None,
        "longitude": None,
    }
    return customer, address
