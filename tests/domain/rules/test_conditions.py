"""Conditions: what is wrong with one is said with line and column; what is right costs little and never stops a worker."""

from __future__ import annotations

import pytest

from domain.rules.conditions import CUSTOMER, LINE, VARIABLES, ConditionFailed
from domain.rules.hashes import hashed, kind_of
from domain.rules.ruleset import RuleSet
from ops.rules.checks.cel_types import check_condition
from ops.rules.load import check
from streams.cel import CelConditions

DEPOT = "depots: [{id: a, country: NL}]\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("total > 50000 && billing_country != country", "order", id="amount-and-country"),
        pytest.param("lines.exists(l, l.sku.startsWith('X-') && l.qty > 2)", "pool", id="a-line"),
        pytest.param("now - placed_at > duration('24h') || hour < 6", "order", id="time"),
        pytest.param("tags.exists(t, t.lowerAscii() == 'vip')", "pool", id="our-function"),
        pytest.param("customer.orders_24h > 3 && country in ['NL', 'BE']", "customer", id="customer"),
        pytest.param("channel == 'bol' ? total > 5 : lines.filter(l, l.qty > 1).size() > 0", "order", id="choice"),
        pytest.param("email.matches('.*[0-9]{4}@.*') && !test", "order", id="pattern"),
        pytest.param("skus.map(s, size(s))[0] + items * 2 >= -1", "pool", id="sums"),
        pytest.param("double(total) / 1.21 > 10.5 // without tax", "pool", id="comment"),
    ],
)
def test_a_sound_condition_is_taken(text: str, place: str) -> None:
    assert check_condition(text, place) is None


@pytest.mark.parametrize(
    ("text", "place", "at", "says"),
    [
        pytest.param("totl > 5", "order", 0, "did you mean total?", id="unknown-variable"),
        pytest.param("country == NL", "order", 11, "stands in quotes: 'NL'", id="no-quotes"),
        pytest.param("country = 'NL'", "order", 8, "equal is ==", id="one-equals"),
        pytest.param("paid and test", "order", 5, "write &&", id="and"),
        pytest.param("paid paid", "order", 5, "join conditions", id="two-conditions"),
        pytest.param("total > '5'", "order", 6, "a number has no quotes: 5", id="number-as-text"),
        pytest.param("postcode == 1012", "order", 9, "in quotes it is text: '1012'", id="text-as-number"),
        pytest.param("total", "order", 0, "not true or false", id="no-condition"),
        pytest.param("total > ", "order", 7, "ends too early", id="cut-off"),
        pytest.param("(total > 5", "order", 10, ") is missing", id="bracket"),
        pytest.param("country == 'NL", "order", 11, "ends with the quote", id="quote"),
        pytest.param("lines.exists(l, l.skuu == 'X')", "pool", 18, "did you mean sku?", id="unknown-field"),
        pytest.param("tags.contains('VIP')", "pool", 5, "'VIP' in tags", id="text-function-on-a-list"),
        pytest.param("country in 'NL'", "pool", 11, "country in ['NL', 'BE']", id="in-a-text"),
        pytest.param("5 in tags", "pool", 2, "'5'", id="number-in-texts"),
        pytest.param("email_domain == 'x.nl'", "pool", 0, "only known in checks and fraud", id="not-known-in-the-pool"),
        pytest.param("customer.orders_24h > 1", "order", 0, "only known in fraud rules", id="customer-elsewhere"),
        pytest.param("customer.orders_2h > 1", "customer", 9, "orders_", id="unknown-window"),
        pytest.param("sizes(tags) > 1", "pool", 0, "did you mean size?", id="unknown-function"),
        pytest.param("email.matches('(')", "order", 14, "no regular expression", id="pattern"),
        pytest.param("total / 2.5 > 1.0", "pool", 6, "double(", id="whole-and-fraction"),
        pytest.param("!total", "pool", 1, "compare it", id="not-a-number"),
        pytest.param("total && paid", "order", 0, "not true or false", id="number-as-condition"),
        pytest.param("lines.all(a, lines.all(b, lines.all(c, a.qty > 0)))", "pool", 32, "two at most", id="deep-lists"),
        pytest.param("(" * 60 + "paid" + ")" * 60, "order", 40, "too deeply nested", id="deep"),
        pytest.param("paid || " * 150 + "paid", "order", 1000, "longer than", id="long"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_the_way_out(text: str, place: str, at: int, says: str) -> None:
    error = check_condition(text, place)
    assert error is not None, "it was taken"
    assert says in f"{error.message}; {error.hint}"
    assert error.at == at


@pytest.mark.parametrize(
    ("written", "line", "column"),
    [
        pytest.param("when: total > 5 && fooo", 5, 24, id="plain"),
        pytest.param('when: "total > 5 && fooo"', 5, 25, id="double-quotes"),
        pytest.param("when: 'country == ''NL'' && fooo'", 5, 33, id="single-quotes-doubled"),
        pytest.param("when: >-\n        total > 5\n        && fooo", 7, 12, id="folded"),
        pytest.param("when: |\n        total > 5\n          && fooo", 7, 14, id="block"),
        pytest.param("when: total > 5\n      && fooo", 6, 10, id="plain-over-two-lines"),
    ],
)
def test_line_and_column_are_those_of_the_file_however_it_is_written(written: str, line: int, column: int) -> None:
    found = check(f"{DEPOT}fraud:\n  - name: x\n    reason: r\n    {written}\n")
    assert isinstance(found, list)
    assert [(p.line, p.column, p.field) for p in found] == [(line, column, "fraud[0].when")]


@pytest.mark.parametrize(
    ("rules", "field", "says"),
    [
        pytest.param("fraud: [{name: x, action: refuse}]", "fraud[0]", "matches every order", id="no-condition"),
        pytest.param("fraud: [{name: x, listed: [bad]}]", "fraud[0].listed[0]", "add it under `lists`", id="no-list"),
        pytest.param("fraud: [{name: x, when: paid}, {name: x, when: test}]", "fraud[1].name", "already fraud[0]", id="twice"),
        pytest.param("fraud: [{name: x, velocity: {window_hours: 24}}]", "fraud[0].velocity", "max_orders", id="no-limit"),
        pytest.param("fraud: [{name: x, velocity: {window_hours: 999}}]", "fraud[0].velocity.window_hours", "above 720", id="long-window"),
        pytest.param("fraud: [{name: x, when: paid, action: hld}]", "fraud[0].action", "did you mean hold?", id="action"),
        pytest.param("fraud: [{name: x, when: paid, action: refuse, until: test}]", "fraud[0].until", "no meaning", id="until-of-a-stop"),
        pytest.param("lists: {bad: [eve@example.com]}", "lists.bad[0]", hashed("email", "eve@example.com"), id="plain-data"),
        pytest.param("channels: {bol: {fraud: [{name: x, when: totl > 1}]}}", "channels.bol.fraud[0].when", "total", id="in-a-channel"),
        pytest.param("channels: {bol: {depots: []}}", "channels.bol.depots", "no such field", id="depots-by-channel"),
        pytest.param("pools: {be: {priorities: [{name: a, when: paid}]}}", "pools.be.priorities[0].when", "only known in", id="in-a-pool"),
        pytest.param("pools: {be: {depots: [{id: b, country: UK}]}}", "pools.be.depots[0].country", "GB", id="depot-of-a-pool"),
        pytest.param("effective_from: 2026-02-30", "effective_from", "no moment", id="no-day"),
        pytest.param("effective_from: tomorrow", "effective_from", "2026-12-01", id="no-date"),
        pytest.param("routing: {variants: [{name: a, when: 'x'}]}", "routing.variants[0].when", "no such variable", id="variant"),
    ],
)  # fmt: skip
def test_rules_that_can_not_be_meant_so_are_refused(rules: str, field: str, says: str) -> None:
    found = check(DEPOT + rules + "\n")
    assert isinstance(found, list), "the file was taken"
    assert any(p.field == field and says in f"{p.message}; {p.hint}" for p in found), found


def test_a_class_with_a_condition_leaves_later_ones_reachable() -> None:
    found = check(
        DEPOT
        + "priorities: [{name: a, when: total > 5}, {name: b}]\nchecks: [{problem: a, when: test}, {problem: a}]\n"
    )
    assert isinstance(found, RuleSet)


@pytest.mark.parametrize(
    ("when", "why"),
    [
        pytest.param("1 / total > 2", "division by zero", id="division"),
        pytest.param("tags[3] == 'x'", "shorter than its index", id="index"),
        pytest.param("total + 9223372036854775807 + 1 > 0", "too large", id="overflow"),
        pytest.param("nothing > 1", "Undefined variable", id="unknown"),
        pytest.param("total >", "no CEL", id="no-cel"),
        pytest.param("total", "neither true nor false", id="no-condition"),
        pytest.param("int(channel) > 1", "int", id="no-number"),
    ],
)
def test_what_can_not_be_judged_fails_with_one_short_line(when: str, why: str) -> None:
    facts = {"total": 0, "tags": ["a"], "channel": "bol"}
    with pytest.raises(ConditionFailed) as e:
        CelConditions().holds(when, facts.get)
    assert why in e.value.why
    assert "\n" not in e.value.why


def test_only_the_variables_a_condition_comes_to_are_made() -> None:
    asked: list[str] = []

    def fact(name: str) -> object:
        asked.append(name)
        return {"total": 5, "paid": True}.get(name)

    engine = CelConditions()
    assert engine.holds("total > 50 && paid", fact) is False
    assert asked == ["total"]
    assert engine.holds("total > 4 && paid", fact) is True


def test_the_guide_names_every_variable_with_its_type() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
    missing = [n for n, v in VARIABLES.items() if f"| `{n}` | {v.type} |" not in text]
    missing += [f for f in (*LINE, *CUSTOMER) if f"`{f}`" not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("eve@example.com", "email"),
        ("@example.com", "domain"),
        ("+31 6 1234 5678", "phone"),
        ("example.com", "domain"),
        ("Eve", ""),
    ],
)
def test_what_a_value_is_can_be_seen(value: str, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_hash_is_the_same_however_it_is_typed() -> None:
    assert hashed("email", " Eve@Example.COM") == hashed("email", "eve@example.com")
    assert hashed("phone", "+31 6 12345678") == hashed("phone", "+31612345678")
