"""Tags and safety stock by SKU, zones, parking: the pure parts."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from domain.allocation.parking import parked
from domain.allocation.sku_rules import SkuRules
from domain.allocation.zones import FAR, distance, zone_of
from domain.rules.ruleset import Depot, ParkRule, Routing, RuleSet, Zone

ZONES = [
    Zone("north", "NL", ["9"]),
    Zone("groningen", "NL", ["97"]),
    Zone("belgium", "BE"),
    Zone("leeds", "GB", ["LS"]),
]


@pytest.mark.parametrize(
    ("country", "postcode", "zone"),
    [
        pytest.param("NL", "9712 ab", "groningen", id="the-longest-beginning"),
        pytest.param("NL", "9001", "north", id="a-shorter-one"),
        pytest.param("NL", "1015 DK", "", id="none"),
        pytest.param("BE", "9700", "belgium", id="a-whole-country"),
        pytest.param("GB", "ls1 4dy", "leeds", id="letters"),
        pytest.param("NL", "", "", id="no-postcode"),
    ],
)
def test_the_zone_of_a_customer(country, postcode, zone):
    assert zone_of(ZONES, country, postcode) == zone


def test_a_zone_that_a_depot_does_not_name_is_far_away():
    depot = Depot("A", "NL", zones={"north": 40})
    assert (distance(depot, "north"), distance(depot, "")) == (40, FAR)


@pytest.mark.parametrize(
    ("sku", "safety"),
    [
        pytest.param("CUP", {"A": 2}, id="the-depots-own"),
        pytest.param("MUG-1", {"A": 5}, id="by-its-beginning"),
        pytest.param("MUG-GOLD", {"A": 9}, id="by-its-name"),
        pytest.param("VASE-1", {"A": 2, "B": 0}, id="both-may-send-it"),
        pytest.param("PAINT", {}, id="nobody-may"),
    ],
)
def test_who_may_send_a_sku_and_what_is_kept_back(sku, safety):
    rules = RuleSet(
        depots=[
            Depot("A", "NL", safety_stock=2, safety_stock_by_sku={"MUG*": 5, "MUG-GOLD": 9}, refuses_tags=["hazmat"]),
            Depot("B", "NL", only_tags=["fragile"]),
        ],
        sku_tags={"fragile": ["VASE-*"], "hazmat": ["PAINT"]},
    )
    assert dict(SkuRules(rules).safety(sku)) == safety


def test_where_no_depot_may_send_an_article_it_is_unfillable_at_once(bench):
    depots = [Depot("A", "NL", refuses_tags=["hazmat"])]
    pool = bench(RuleSet("v1", depots=depots, sku_tags={"hazmat": ["PAINT"]}, routing=Routing()))
    pool.stock("A", "PAINT", 5)
    answer = pool.order("1", {"PAINT": 1})
    assert (answer.reason, [x.qty for x in answer.unfillable]) == ("no_depot:sku_tags", [1])


@pytest.mark.parametrize(
    ("rule", "now", "until"),
    [
        pytest.param(ParkRule("r", until_date="2026-12-01"), 0, 1_796_079_600_000, id="until-a-local-midnight"),
        pytest.param(ParkRule("r", until_date="2026-12-01"), 1_796_079_600_000, None, id="the-date-has-come"),
        pytest.param(ParkRule("r", minutes=5), 299_999, 300_000, id="minutes-after-it-was-placed"),
        pytest.param(ParkRule("r", minutes=5), 300_000, None, id="they-are-over"),
        pytest.param(ParkRule("r", minutes=5, skus=["Y"]), 0, None, id="another-sku"),
        pytest.param(ParkRule("r", minutes=5, skus=["X*"]), 0, 300_000, id="a-beginning"),
        pytest.param(ParkRule("r", minutes=5, tags_any=["vip"]), 0, None, id="another-tag"),
        pytest.param(ParkRule("r", minutes=5, channels=["bol"]), 0, None, id="another-channel"),
        pytest.param(ParkRule("r", minutes=5, services=["express"]), 0, None, id="another-service"),
    ],
)
def test_until_when_a_demand_is_parked(rule, now, until):
    place = {"skus": ["X1"], "tags": ["gift"], "channel": "shopify", "service": "standard"}
    wait = parked([rule], ZoneInfo("Europe/Amsterdam"), now, 0, **place)
    assert (wait.until if wait else None) == until


def test_new_rules_that_do_not_park_let_a_parked_demand_go(bench):
    depots = [Depot("A", "NL")]
    pool = bench(RuleSet("v1", depots=depots, routing=Routing(park=[ParkRule("later", until_date="2027-01-01")])))
    pool.stock("A", "X", 5)
    pool.order("1", {"X": 2})
    assert (pool.served("1"), pool.waiting("1")) == ({}, 2)
    pool.rules = RuleSet("v2", depots=depots)
    pool.tick()
    pool.tick()
    assert (pool.served("1"), pool.waiting("1")) == ({"A": 2}, 0)


def test_a_parked_demand_can_be_cancelled_in_part_and_whole(bench):
    pool = bench(RuleSet("v1", depots=[Depot("A", "NL")], routing=Routing(park=[ParkRule("later", minutes=60)])))
    pool.stock("A", "X", 5)
    pool.order("1", {"X": 3})
    pool.drop("1", {"X": 1})
    assert (pool.served("1"), pool.waiting("1")) == ({}, 2)
    pool.drop("1")
    pool.tick(3_600_000)
    assert (pool.served("1"), pool.waiting("1"), pool.level("A", "X")) == ({}, 0, (5, 0))
