"""Rule files: read whole or refused with line, field and a way out; all errors at once."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from domain.rules.ruleset import RuleSet
from ops.errors import UserError
from ops.rules.calendars import collapsed
from ops.rules.diff import changes
from ops.rules.load import DEFAULTS, RulesError, check, load, schema
from wharf.cli import app

GOOD = "depots:\n  - id: a\n    country: NL\n"


def depot(*lines: str) -> str:
    """A file with one depot and more lines of it, from line 4 on."""
    return GOOD + "".join(f"    {x}\n" for x in lines)


def problems(text: str) -> list[tuple[int, str, str]]:
    found = check(text)
    assert isinstance(found, list), "the file was taken"
    return [(p.line, p.field, f"{p.message}; {p.hint}") for p in found]


def test_the_starting_set_is_sound_and_says_what_it_promises():
    rules = load(DEFAULTS)
    assert [d.id for d in rules.depots] == ["depot-a", "depot-b"]
    assert rules.depots[0].cutoffs[0].time < rules.depots[1].cutoffs[0].time


def test_the_schema_beside_it_is_the_present_one():
    assert json.loads((DEFAULTS.parent / "rules.schema.json").read_text()) == schema()


def test_the_version_is_the_files_own_or_made_of_its_content():
    first, second = check(GOOD), check("# a comment\n" + GOOD)
    assert isinstance(first, RuleSet)
    assert isinstance(second, RuleSet)
    assert first.version == second.version
    assert len(first.version) == 12
    named = check("version: v1\n" + GOOD)
    assert isinstance(named, RuleSet)
    assert named.version == "v1"


def test_json_is_read_like_yaml_with_lines():
    assert isinstance(check('{"depots": [{"id": "a", "country": "NL"}]}'), RuleSet)
    assert problems('{"depots": [\n  {"id": "a",\n\t"country": "UK"}]}')[0][:2] == (3, "depots[0].country")


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        pytest.param(depot("safty_stock: 1"), 4, "depots[0].safty_stock", "did you mean safety_stock?", id="unknown-field"),
        pytest.param("depots:\n  - id: a\n", 2, "depots[0].country", "is missing", id="missing-field"),
        pytest.param(depot("timezone: Europe/Amsterdm"), 4, "depots[0].timezone", "did you mean Europe/Amsterdam?", id="time-zone"),
        pytest.param(depot("working_days: [mon, tues]"), 4, "depots[0].working_days[1]", "did you mean tue?", id="weekday"),
        pytest.param(depot("cutoffs:", "  - time: 9:00"), 5, "depots[0].cutoffs[0].time", 'write "09:00"', id="time-of-one-digit"),
        pytest.param(depot('handover: "24:00"'), 4, "depots[0].handover", "between 00:00 and 23:59", id="time"),
        pytest.param(depot("holidays:", "  - 2026-02-30"), 5, "depots[0].holidays[0]", "no day of the calendar", id="date"),
        pytest.param(depot("holidays: [25-12-2026]"), 4, "depots[0].holidays[0]", "a date YYYY-MM-DD", id="date-form"),
        pytest.param(GOOD + "  - id: a\n    country: DE\n", 4, "depots[1].id", "already depots[0]", id="the-same-depot-twice"),
        pytest.param("depots:\n  - id: a\n    country: UK\n", 3, "depots[0].country", "did you mean GB?", id="country"),
        pytest.param(depot("rates: [{cost: -1}]"), 4, "depots[0].rates[0].cost", "below 0", id="negative-cost"),
        pytest.param(depot("rates: [{cost: 4.5}]"), 4, "depots[0].rates[0].cost", "minor units: 450", id="cost-with-a-point"),
        pytest.param(depot("services: standard"), 4, "depots[0].services", "a list of one is [standard]", id="no-list"),
        pytest.param(depot("rates: [{cost: 1, service: expres}]", "services: [express]"), 4, "depots[0].rates[0].service", "did you mean express?", id="a-service-it-does-not-offer"),
        pytest.param(depot("ships_to: [NL]", "rates: [{cost: 1, country: DE}]"), 5, "depots[0].rates[0].country", "add it to ships_to", id="a-country-it-does-not-serve"),
        pytest.param(depot('cutoffs: [{time: "19:00"}]'), 4, "depots[0].cutoffs[0].time", "after the hand-over at 18:00", id="cut-off-after-the-hand-over"),
        pytest.param(depot("cutoffs: [{weekdays: [sat]}]"), 4, "depots[0].cutoffs", "never ships", id="no-cut-off-on-a-working-day"),
        pytest.param(depot("cutoffs: []"), 4, "depots[0].cutoffs", "never ships", id="no-cut-off-at-all"),
        pytest.param(depot('cutoffs: [{time: "12:00"}, {time: "16:00"}]'), 4, "depots[0].cutoffs[1]", "an earlier row decides", id="a-cut-off-never-reached"),
        pytest.param(GOOD + "routing: {preferences: [cheapest]}\n", 4, "routing.preferences[0]", "one of fewest_parcels", id="unknown-preference"),
        pytest.param(GOOD + "routing: {split: {max_parcels: 0}}\n", 4, "routing.split.max_parcels", "below 1", id="no-parcels"),
        pytest.param(GOOD + "routing: {backorder: yes}\n", 4, "routing.backorder", "write true", id="yes-is-not-true"),
        pytest.param(GOOD + "priorities:\n  - {name: all}\n  - {name: vip, tags_any: [VIP]}\n", 6, "priorities[1]", "vip is never reached", id="a-class-never-reached"),
        pytest.param(GOOD + "checks:\n  - {problem: addr}\n  - {problem: address}\n", 6, "checks[1]", "never reached", id="a-check-never-reached"),
        pytest.param(GOOD + "checks: [{problem: x, hold: FRUAD_RISK}]\n", 4, "checks[0].hold", "did you mean FRAUD_RISK?", id="unknown-hold"),
        pytest.param(GOOD + "paid_states: [payed]\n", 4, "paid_states[0]", "did you mean paid?", id="unknown-payment-state"),
        pytest.param(GOOD + "bundling: {enabled: true}\n", 4, "bundling.waves", "nothing would ever be bundled", id="no-wave"),
        pytest.param(GOOD + "bundling: {waves: [{depot: a}]}\n", 4, "bundling.waves[0]", "never comes", id="a-wave-without-a-time"),
        pytest.param(GOOD + "bundling: {waves: [{times: ['10:00'], every_minutes: 5}]}\n", 4, "bundling.waves[0]", "has both", id="a-wave-with-both"),
        pytest.param(GOOD + "bundling: {waves: [{depot: b, every_minutes: 5}]}\n", 4, "bundling.waves[0].depot", "one of a", id="a-wave-of-no-depot"),
        pytest.param(GOOD + "bundling: {waves: [{carrier: ups, every_minutes: 5}]}\n", 4, "bundling.waves[0].carrier", "no rate names", id="a-wave-of-no-carrier"),
        pytest.param(GOOD + "bundling: {waves: [{every_minutes: 5}, {depot: a, every_minutes: 9}]}\n", 4, "bundling.waves[1]", "never reached", id="a-wave-never-reached"),
        pytest.param(GOOD + "bundling: {max_orders: 1, waves: [{every_minutes: 5}]}\n", 4, "bundling.max_orders", "below 2", id="a-bundle-of-one"),
        pytest.param(depot("zones: {randstd: 1}") + "zones: [{name: randstad, country: NL}]\n", 4, "depots[0].zones", "did you mean randstad?", id="a-zone-there-is-not"),
        pytest.param(depot("refuses_tags: [fragil]") + "sku_tags: {fragile: [VASE-*]}\n", 4, "depots[0].refuses_tags", "did you mean fragile?", id="a-tag-there-is-not"),
        pytest.param(GOOD + "routing: {preferences: [zone]}\n", 4, "routing.preferences", "never decides", id="zone-without-zones"),
        pytest.param(GOOD + "routing: {park: [{name: later}]}\n", 4, "routing.park[0]", "parks nothing", id="a-park-rule-without-an-end"),
        pytest.param(GOOD + "zones: [{name: north, country: NL, postcodes: ['97 01']}]\n", 4, "zones[0].postcodes[0]", "no space", id="a-postcode-with-a-space"),
        pytest.param(depot("holidays: [XX]"), 4, "depots[0].holidays[0]", "no calendar of public holidays for XX", id="a-country-without-a-calendar"),
        pytest.param(depot("holidays: DE-BX"), 4, "depots[0].holidays", "parts of DE: BB", id="a-part-of-a-country-there-is-not"),
        pytest.param(GOOD + "returns: {fees: {restocking_percent: 101}}\n", 4, "returns.fees.restocking_percent", "above 100", id="more-than-all-of-it"),
        pytest.param(GOOD + "returns: {windows: [{days: 30}, {days: 14, channels: [bol]}]}\n", 4, "returns.windows[1]", "move it up", id="a-window-never-reached"),
        pytest.param(GOOD + "returns: {reasons: [{code: dam}, {code: damaged}]}\n", 4, "returns.reasons[1]", "reasons[0] decides it before", id="a-reason-never-reached"),
        pytest.param(GOOD + "returns: {b_grade: {depot: outlt}}\n", 4, "returns.b_grade.depot", "one of a", id="a-return-depot-there-is-not"),
        pytest.param(GOOD + "returns: {label: {carrier: local}}\n", 4, "returns.label.carrier", "at least one of `locations`", id="labels-to-nowhere"),
        pytest.param(GOOD + "returns: {label: {carrier: x}, locations: [{depot: a, street1: s, city: c}]}\n", 4, "returns.locations[0].postcode", "labels need it", id="half-an-address"),
        pytest.param(GOOD + "returns: {fees: {label: 495}}\n", 4, "returns.fees.label", "never made", id="a-fee-for-no-label"),
        pytest.param(GOOD + "channels: {bol: {returns: {windws: []}}}\n", 4, "channels.bol.returns.windws", "did you mean windows?", id="a-channels-unknown-return-field"),
        pytest.param(GOOD + "channels: {bol: {returns: {b_grade: {depot: outlt}}}}\n", 4, "channels.bol.returns.b_grade.depot", "one of a", id="a-channels-return-depot-there-is-not"),
        pytest.param(GOOD + "channels: {bol: {returns: {windows: [{days: 1, channels: [amazon]}]}}}\n", 4, "channels.bol.returns.windows[0].channels", "never for bol", id="a-channels-window-for-another"),
        pytest.param(GOOD + "returns: {fees: {}}\nchannels: {bol: {returns: {fees: {label: 495}}}}\n", 5, "channels.bol.returns.fees.label", "never made", id="a-channels-fee-for-no-label"),
        pytest.param(GOOD + "returns: {exchange: {reserve: true}}\n", 4, "returns.exchange.reserve", "give `ship: approved`", id="nothing-to-reserve"),
        pytest.param(GOOD + "returns: {shipping: sometimes}\n", 4, "returns.shipping", "one of never, whole_order, share", id="shipping-sometimes"),
        pytest.param("currency: EUR\n", 1, "depots", "nothing can be allocated", id="no-depots"),
        pytest.param("depots: [\n", 2, "", "no YAML", id="no-yaml"),
        pytest.param("depots: []\ndepots: []\n", 2, "depots", "put both into one", id="a-key-twice"),
        pytest.param("depots:\n\t- {id: a}\n", 2, "", "indent with spaces", id="a-tab"),
        pytest.param("depots:\n  - {id: a, country: NL\nrouting: {}\n", 3, "", "not closed by }", id="a-brace-not-closed"),
        pytest.param("depots:\n  - id: a\n   country: NL\n", 3, "", "in another column than its neighbours", id="a-line-indented-otherwise"),
        pytest.param(GOOD + "fraud:\n  - name: x\n    reason: note: large\n", 6, "", "a text with a colon in it stands in quotes", id="a-colon-in-a-text"),
        pytest.param(depot("ships_to: [*]"), 4, "", "a * stands in quotes", id="a-star-without-quotes"),
        pytest.param("depots:\n  id: a\n  country: NL\n", 2, "depots", "a dash before each: `- id: …`", id="one-depot-and-no-list"),
        pytest.param("depots:\n  - id: a\n    country: Netherlands\n", 3, "depots[0].country", "did you mean NL?", id="a-countrys-name"),
        pytest.param("depots:\n  - id: a\n    country: nl\n", 3, "depots[0].country", "write NL", id="a-country-in-small-letters"),
        pytest.param(GOOD + "currency: euro\n", 4, "currency", "did you mean EUR?", id="a-currencys-name"),
        pytest.param(depot('cutoffs: [{time: "4:30 pm"}]'), 4, "depots[0].cutoffs[0].time", 'write "16:30"', id="a-time-with-pm"),
        pytest.param(depot('holidays: ["25.12.2026"]'), 4, "depots[0].holidays[0]", '"2026-12-25"', id="the-day-first"),
        pytest.param(GOOD + "unfillable_after_days: 3\n", 4, "unfillable_after_days", "it belongs into routing", id="a-field-in-the-wrong-place"),
        pytest.param(GOOD + "fraud:\n  - {name: big, when: total > 1 and paid}\n", 5, "fraud[0].when", "write &&", id="and-in-words"),
        pytest.param("", 1, "", "the file is empty", id="empty"),
        pytest.param("- 1\n", 1, "", "not a group of fields", id="a-list"),
    ],
)  # fmt: skip
def test_an_error_names_line_field_and_the_way_out(text, line, field, says):
    found = problems(text)
    assert (line, field) in [x[:2] for x in found], found
    assert any(says in x[2] for x in found if x[:2] == (line, field)), found


def test_all_errors_come_at_once_from_top_to_bottom_and_nothing_is_taken(tmp_path: Path):
    file = tmp_path / "rules.yaml"
    file.write_text(depot("timezone: Mars/Base", "handover: late", "rates: [{cost: x}]") + "extra: 1\n")
    with pytest.raises(RulesError) as e:
        load(file)
    assert [p.line for p in e.value.problems] == [4, 5, 6, 7]
    assert str(e.value).splitlines()[1].startswith(f"{file}:4:15: depots[0].timezone: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")


def test_the_check_command_tells_a_machine_what_is_wrong(tmp_path: Path):
    file = tmp_path / "r.yaml"
    file.write_text(depot("x: 1"))
    result = CliRunner().invoke(app, ["rules", "check", str(file), "--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"], told["problems"][0]["line"]) == (2, False, 4)
    good = CliRunner().invoke(app, ["rules", "check", str(DEFAULTS), "--json"])
    assert (good.exit_code, json.loads(good.stdout)["ok"]) == (0, True)


def test_a_countrys_public_holidays_are_written_as_its_code():
    rules = check(depot("holidays: [NL, 2026-12-24, 2026-12-25]"))
    assert isinstance(rules, RuleSet)
    days = rules.depots[0].holidays
    assert {"2026-04-27", "2026-12-24", "2026-12-25", "2027-01-01", "2035-12-26"} <= set(days)
    assert len(days) == len(set(days))
    shown = collapsed(msgspec.to_builtins(rules))["depots"][0]["holidays"]
    assert shown == ["NL", "2026-12-24"]
    assert set(check(depot("holidays: DE-BY")).depots[0].holidays) - set(
        check(depot("holidays: DE")).depots[0].holidays
    )


def test_what_would_change_is_told_by_depot_not_by_place():
    old, new = check(depot("safety_stock: 1")), check("depots:\n  - {id: b, country: DE}\n" + GOOD.split("\n", 1)[1])
    assert isinstance(old, RuleSet)
    assert isinstance(new, RuleSet)
    fields = {c.field: (c.before, c.after) for c in changes(old, new)}
    assert fields["depots.a.safety_stock"] == (1, 0)
    assert fields["depots.b.country"] == (None, "DE")
    assert changes(new, msgspec.structs.replace(new, version="other")) == []


def test_a_rule_set_survives_its_way_through_json():
    rules = load(DEFAULTS)
    assert msgspec.json.decode(msgspec.json.encode(rules), type=RuleSet) == rules


def test_two_files_are_compared_field_by_field(tmp_path: Path):
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text("version: a\n" + GOOD)
    new.write_text("version: b\n" + depot("safety_stock: 2"))
    result = CliRunner().invoke(app, ["rules", "diff", str(old), str(new), "--json"])
    change = {"field": "depots.a.safety_stock", "before": 0, "after": 2}
    assert json.loads(result.stdout) == {"before": "a", "version": "b", "changes": [change]}
    said = CliRunner().invoke(app, ["rules", "diff", str(old), str(new)]).stdout
    assert "depots.a.safety_stock: 0 -> 2" in said
    assert "a -> b: 1 field(s) differ" in said
