"""Versions in one log: published ahead, taken up by the command's time, withdrawn; layers over them; the same after a replay."""

from __future__ import annotations

import msgspec
import pytest

from domain.records.commands import RulesPublished
from domain.rules.layers import of_order, of_pool
from domain.rules.ruleset import ChannelRules, Depot, FraudRule, PoolRules, Routing, RuleSet
from domain.rules.versions import Edition, RuleBook
from ops.rules.effective_date import effective_ms


def published(version: str, time: int, effective_from: int = 0, body: str = "{}") -> RulesPublished:
    return RulesPublished("e", "RulesPublished", time, "t", "", "default", version, body, effective_from)


def version(book: RuleBook) -> str:
    return book.current.version if book.current else ""


def test_a_version_for_now_is_in_force_from_its_place_in_the_log() -> None:
    book = RuleBook().publish(published("a", 10)).publish(published("b", 20, effective_from=15))
    assert (version(book), book.ahead) == ("b", [])
    assert version(book.at(5)) == "b"  # an older command that comes after it


def test_versions_ahead_come_in_their_order_and_never_go_back() -> None:
    book = RuleBook().publish(published("now", 10))
    book = book.publish(published("late", 11, 300)).publish(published("soon", 12, 200))
    assert [version(book.at(t)) for t in (199, 200, 299, 300)] == ["now", "soon", "soon", "late"]
    assert version(book.at(250).at(100)) == "soon"
    assert book.at(199) is book
    assert version(book.at(400)) == "late"
    assert book.at(400).ahead == []


def test_a_version_ahead_is_withdrawn_or_moved_by_publishing_it_again() -> None:
    book = RuleBook().publish(published("now", 10)).publish(published("b", 11, 200))
    assert version(book.publish(published("b", 12, body="")).at(500)) == "now"
    moved = book.publish(published("b", 12, 400))
    assert [version(moved.at(t)) for t in (200, 400)] == ["now", "b"]
    assert version(book.publish(published("b", 12))) == "b"


def test_a_change_in_between_is_in_force_until_the_date_comes() -> None:
    book = RuleBook().publish(published("a", 10)).publish(published("b", 11, 200)).publish(published("fix", 100))
    assert [version(book.at(t)) for t in (150, 200)] == ["fix", "b"]


def test_a_book_survives_its_way_through_the_table() -> None:
    book = RuleBook(Edition("a", "{}", 1), [Edition("b", "{}", 2)])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(book), type=RuleBook) == book


@pytest.mark.parametrize(
    ("text", "zone", "ms"),
    [
        pytest.param("", "UTC", 0, id="at-once"),
        pytest.param("2026-12-01", "UTC", 1_796_083_200_000, id="a-day"),
        pytest.param("2026-12-01 00:00", "Europe/Amsterdam", 1_796_083_200_000 - 3_600_000, id="winter"),
        pytest.param("2026-07-01T00:00", "Europe/Amsterdam", 1_782_864_000_000 - 7_200_000, id="summer"),
        pytest.param("2026-12-01T00:00:00Z", "Europe/Amsterdam", 1_796_083_200_000, id="with-its-own-zone"),
        pytest.param("2026-12-01 01:00+02:00", "UTC", 1_796_083_200_000 - 3_600_000, id="with-an-offset"),
    ],
)
def test_a_moment_is_on_the_rules_own_clock(text: str, zone: str, ms: int) -> None:
    assert effective_ms(RuleSet(effective_from=text, timezone=zone)) == ms


BASE = RuleSet(
    "v1",
    depots=[Depot("a", "NL")],
    fraud=[FraudRule("x", "total > 5")],
    channels={
        "bol": ChannelRules(fraud=[]),
        "bol:be": ChannelRules(default_pool="be", routing=Routing(backorder=False)),
    },
    pools={"be": PoolRules(depots=[Depot("g", "BE")], routing=Routing(unfillable_after_days=5))},
)


def test_the_most_special_rule_decides_and_the_version_says_so() -> None:
    assert of_order(BASE, "shopify", "acme") is BASE
    bol, be = of_order(BASE, "bol", "nl"), of_order(BASE, "bol", "be")
    assert (bol.version, bol.fraud, bol.default_pool) == ("v1+channel:bol", [], "main")
    assert (be.version, be.fraud, be.default_pool) == ("v1+channel:bol+channel:bol:be", [], "be")
    pool = of_pool(BASE, "be")
    assert (pool.version, pool.depots[0].id, pool.routing.unfillable_after_days) == ("v1+pool:be", "g", 5)
    over = of_order(pool, "bol", "be")
    assert (over.routing.backorder, over.routing.unfillable_after_days) == (False, 30)
    assert of_pool(BASE, "main") is BASE


def test_what_is_laid_over_is_made_once() -> None:
    assert of_pool(BASE, "be") is of_pool(BASE, "be")
    other = msgspec.structs.replace(BASE, version="v2")
    assert of_order(other, "bol", "be").version == "v2+channel:bol+channel:bol:be"
    assert of_order(BASE, "bol", "be").version == "v1+channel:bol+channel:bol:be"
