"""Does a scenario make sense? Times that go forward, names that exist, expectations that look at something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from domain.keys import parcel_key
from domain.rules.ruleset import RuleSet
from ops.yaml.formats import closest
from ops.yaml.source import Path, Problem, Source

from .commands import line_ids
from .form import Scenario, Step
from .form_expect import Expect
from .return_commands import RETURN_VERBS, WMS
from .times import WhenError, duration, moment, shown

__all__ = ["VERBS", "check_sense", "moments"]

VERBS = (
    "order",
    "change",
    "edit",
    "cancel",
    "payment",
    "refund",
    "fulfilment",
    "hold",
    "release",
    "reroute",
    "warehouse",
    "carrier",
    "stock",
    *RETURN_VERBS,
    "rules",
    "replay",
)
"""What a step may be; one of them."""
_OF_AN_ORDER = (*VERBS[: VERBS.index("stock")], *RETURN_VERBS)
_TIMED = VERBS[: VERBS.index("stock") + 1]

Finding = tuple[Path, str, str]
"""Where, what is wrong, the way out."""


def moments(source: Source, scenario: Scenario, problems: list[Problem]) -> tuple[int, list[int]]:
    """When the scenario starts and each step happens, UTC ms; what is wrong with the times goes to ``problems``."""
    zone, now, at = ZoneInfo(scenario.timezone), 0, []
    try:
        starts = now = moment(scenario.starts, zone, None)
    except WhenError as e:
        problems.append(source.problem(("starts",), str(e), e.hint if "day" in str(e) else 'write "2026-11-23 10:00"'))
        return 0, []
    for i, step in enumerate(scenario.steps):
        path: Path = ("steps", i, "at")
        try:
            told = moment(step.at, zone, now) if step.at else now
            if told < now:
                hint = "steps go forward in time: give the day too, or move the step up"
                problems.append(
                    source.problem(path, f"{step.at} is before the step before it ({shown(now, zone)})", hint)
                )
            now = max(now, told)
        except WhenError as e:
            problems.append(source.problem(path, str(e), e.hint))
        at.append(now)
    return starts, at


def check_sense(source: Source, scenario: Scenario, rules: list[RuleSet]) -> list[Problem]:
    """Everything that can't be meant so. ``rules``: all the rule sets in it."""
    found = [*_steps(scenario), *_lines(scenario), *_expectations(scenario), *_other_times(scenario)]
    if rules:
        found += _depots(scenario, sorted({depot.id for rule_set in rules for depot in rule_set.depots}))
    return [source.problem(*f) for f in found]


def _steps(scenario: Scenario) -> Iterator[Finding]:
    if not scenario.steps:
        yield ("steps",), "is empty, so nothing happens", "begin with `- order:`"
    for i, step in enumerate(scenario.steps):
        verbs = [v for v in VERBS if getattr(step, v) not in (None, False)]
        if len(verbs) > 1:
            yield (
                ("steps", i, verbs[1]),
                f"{' and '.join(verbs)} in one step",
                "one thing a step: begin another with `-`",
            )
        if not verbs and step.expect is None and not step.at:
            yield ("steps", i), "says nothing", f"one of {', '.join(VERBS)}, or `expect`"
        if step.times > 1 and verbs in ([], ["rules"], ["replay"]):
            yield ("steps", i, "times"), "nothing to repeat here", "leave it out"
        yield from _known_order(scenario, i, step)


def _known_order(scenario: Scenario, i: int, step: Step) -> Iterator[Finding]:
    """A change, a warehouse or a carrier speaks of an order that came before; the rest may be ahead of it."""
    before = [s.order.order for s in scenario.steps[:i] if s.order]
    for verb in ("change", "reroute", "warehouse", "carrier"):
        told: Any = getattr(step, verb)
        if told is not None and told.order not in before:
            hint = closest(told.order, before) or "an `order:` step must come before"
            yield ("steps", i, verb, "order"), f"no order {told.order} before this step", hint


def _lines(scenario: Scenario) -> Iterator[Finding]:
    """Units of a line that the order never had would be passed over in silence."""
    shown: dict[str, dict[str, None]] = {}
    for step in scenario.steps:
        for form in (step.order, step.change):
            if form is not None and form.lines is not None:
                shown.setdefault(form.order, {}).update(dict.fromkeys(line_ids(form.lines)))
    for i, step in enumerate(scenario.steps):
        for verb in ("cancel", "refund", "fulfilment", "warehouse"):
            told: Any = getattr(step, verb)
            known = list(shown.get(told.order, ())) if told is not None else []
            for name in told.lines if known else ():
                if name not in known:
                    hint = closest(name, known) or f"its lines are {', '.join(known)}"
                    yield ("steps", i, verb, "lines", name), f"order {told.order} has no line {name}", hint


def _depots(scenario: Scenario, known: list[str]) -> Iterator[Finding]:
    places: list[tuple[Path, str]] = [
        ((part, d), d) for part in ("stock", "warehouses") for d in getattr(scenario, part)
    ]
    for i, step in enumerate(scenario.steps):
        for verb in ("stock", "warehouse", "carrier", "dock", "inspect"):
            told: Any = getattr(step, verb)
            if told is not None and told.depot:
                places.append((("steps", i, verb, "depot"), told.depot))
    for path, expected in _expects(scenario):
        places += [((*path, "stock", text), text) for text in expected.stock or {}]
        for key, order in (expected.orders or {}).items():
            allocations = enumerate(order.allocations or [])
            places += [
                ((*path, "orders", key, "allocations", n, "depot"), allocation.depot) for n, allocation in allocations
            ]
    for path, depot in places:
        if depot not in known:
            yield path, f"no depot {depot} in the rules", closest(depot, known) or f"one of {', '.join(known)}"


def _expects(scenario: Scenario) -> Iterator[tuple[Path, Expect]]:
    for i, step in enumerate(scenario.steps):
        if step.expect is not None:
            yield ("steps", i, "expect"), step.expect
    if scenario.expect is not None:
        yield ("expect",), scenario.expect


def _expectations(scenario: Scenario) -> Iterator[Finding]:
    expects = list(_expects(scenario))
    if not expects:
        yield ("scenario",), "expects nothing, so it could never fail", "add `expect:` to a step, or at the end"
    named = {told.order for step in scenario.steps for v in _OF_AN_ORDER if (told := getattr(step, v)) is not None}
    named |= {
        parcel_key(WMS, dock.receipt)
        for step in scenario.steps
        for dock in (step.dock, step.inspect)
        if dock and not dock.order
    }
    named |= {
        f"{step.request_return.order}~x{n}"
        for step in scenario.steps
        if step.request_return and step.request_return.exchange
        for n in range(1, 10)
    }
    for path, expected in expects:
        yield from _vacuous(path, expected)
        for part in ("orders", "events", "effects"):
            for key in getattr(expected, part) or {}:
                if key not in named:
                    hint = closest(key, sorted(named)) or f"one of {', '.join(sorted(named))}"
                    yield (*path, part, key), f"no step speaks of an order {key}", hint


def _vacuous(path: Path, expected: Expect) -> Iterator[Finding]:
    """Parts of an expectation that look at nothing."""
    if all(getattr(expected, text) is None for text in expected.__struct_fields__):
        yield path, "expects nothing", f"one of {', '.join(expected.__struct_fields__)}"
    for part in ("orders", "stock", "events", "effects"):
        if getattr(expected, part) == {}:
            yield (*path, part), "looks at nothing", "name an order" if part != "stock" else "name a depot"
    for key, order in (expected.orders or {}).items():
        if all(getattr(order, text) is None for text in order.__struct_fields__):
            yield (*path, "orders", key), "looks at nothing", f"one of {', '.join(order.__struct_fields__)}"
    for depot, skus in (expected.stock or {}).items():
        if not skus:
            yield (*path, "stock", depot), "looks at nothing", "name a SKU"
        for sku, row in skus.items():
            if all(getattr(row, text) is None for text in row.__struct_fields__ if text != "quality"):
                yield (
                    (*path, "stock", depot, sku),
                    "looks at nothing",
                    "one of on_hand, reserved, available, b_grade, write_off",
                )


_MOMENTS = ("placed_at", "updated_at", "deliver_by", "happened_at")


def _other_times(scenario: Scenario) -> Iterator[Finding]:
    """Times that stand elsewhere than in ``starts`` and ``at``."""
    zone, told = ZoneInfo(scenario.timezone), list[tuple[Path, str]]()
    for i, step in enumerate(scenario.steps):
        for verb in _TIMED:
            form = getattr(step, verb)
            told += [(("steps", i, verb, name), text) for name in _MOMENTS if (text := getattr(form, name, ""))]
    for path, expected in _expects(scenario):
        for key, order in (expected.orders or {}).items():
            for n, allocation_expect in enumerate(order.allocations or []):
                at = (*path, "orders", key, "allocations", n)
                told += [
                    ((*at, name), f"{t} 00:00" if len(t) == 10 else t)
                    for name in ("ship_by", "eta")
                    if (t := getattr(allocation_expect, name))
                ]
    for path_, text in told:
        try:
            moment(text, zone, 0)
        except WhenError as expected:
            yield path_, str(expected), expected.hint
    for depot, warehouse in scenario.warehouses.items():
        for field in ("ships_after", "delivers_after"):
            try:
                duration(getattr(warehouse, field) or "0s")
            except WhenError as expected:
                yield ("warehouses", depot, field), str(expected), expected.hint
