"""The oracles for final states, quantities and the DLQ: silent on a sound history, loud on each kind of tampering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.demo.checks import dead_letters, final_states, quantities
from lab.demo.checks.evidence import Evidence, SentOrder

Edited = Callable[[Evidence, str, int, Callable[[dict[str, Any]], dict[str, Any]]], Evidence]


def drop(e: Evidence, order: str, *seqs: int) -> Evidence:
    key = f"shopify:acme:{order}"
    gone = {(key, s) for s in seqs}
    return replace(e, order_events=[x for x in e.order_events if (x.data["order_key"], x.data["seq"]) not in gone])


def orders(e: Evidence, **by_number: SentOrder | None) -> Evidence:
    kept = {o.key: o for o in e.channels[0].orders}
    kept.update({f"shopify:acme:{n.lstrip('n')}": o for n, o in by_number.items() if o is not None})
    return replace(e, channels=[replace(e.channels[0], orders=list(kept.values()))])


def test_a_sound_history_passes_all_three(sound: Evidence) -> None:
    for check in (final_states.check, quantities.check, dead_letters.check):
        finding = check(sound)
        assert finding.ok, finding.offenders


def test_ends_are_counted_by_what_explains_them(sound: Evidence) -> None:
    figures = final_states.check(sound).figures
    assert figures["COMPLETED"] == 2
    assert figures["held: INCORRECT_ADDRESS"] == 1
    assert figures["backordered"] == 1
    assert figures["never confirmed"] == 1


def test_a_confirmed_order_without_an_event_is_lost(sound: Evidence) -> None:
    finding = final_states.check(drop(sound, "1", 1, 2, 3, 4, 5))
    assert finding.offenders == ["shopify:acme:1: confirmed or shown by a poll, but there is no event of it"]


def test_an_order_that_stopped_half_way_is_stuck(sound: Evidence) -> None:
    finding = final_states.check(drop(sound, "1", 3, 4, 5))
    assert "stuck at ALLOCATED after ALLOCATED" in finding.offenders[0]


def test_a_hold_that_was_released_explains_nothing(sound: Evidence, edit: Edited) -> None:
    tampered = edit(sound, "3", 2, lambda d: d | {"type": "RELEASED"})
    assert "stuck at HELD" in final_states.check(tampered).offenders[0]


def test_a_line_that_the_channel_ships_needs_no_explanation_beside_one_that_waits(
    sound: Evidence, edit: Edited
) -> None:
    tampered = edit(
        sound, "4", 1, lambda d: d | {"lines": [*d["lines"], d["lines"][0] | {"line_id": "theirs", "qty": 1}]}
    )
    assert "stuck at" in final_states.check(tampered).offenders[0]
    [order] = [o for o in sound.channels[0].orders if o.key == "shopify:acme:4"]
    told = orders(tampered, n4=replace(order, lines={**order.lines, "theirs": 1}, elsewhere=frozenset({"theirs"})))
    assert final_states.check(told).ok


def test_waiting_units_explain_only_themselves(sound: Evidence, edit: Edited) -> None:
    """Backordered one of two, and the other is nowhere."""
    tampered = edit(sound, "4", 2, lambda d: d | {"lines": [d["lines"][0] | {"qty": 1}]})
    tampered = drop(tampered, "4", 3, 4, 5)
    assert not final_states.check(tampered).ok


def test_an_order_left_alone_as_a_test_must_be_one(sound: Evidence, edit: Edited) -> None:
    tampered = drop(edit(sound, "1", 1, lambda d: d | {"reason": "test order"}), "1", 2, 3, 4, 5)
    assert "which it is not" in final_states.check(tampered).offenders[0]
    honest = orders(tampered, n1=SentOrder("shopify:acme:1", {"1": 2}, seen=True, test=True))
    assert final_states.check(honest).ok


def test_an_order_that_no_channel_sent_is_reported(sound: Evidence) -> None:
    fewer = [o for o in sound.channels[0].orders if o.key != "shopify:acme:2"]
    tampered = replace(sound, channels=[replace(sound.channels[0], orders=fewer)])
    assert final_states.check(tampered).offenders == ["shopify:acme:2: no channel ever sent it"]


@pytest.mark.parametrize(
    ("place", "change", "says"),
    [
        pytest.param(
            ("1", 3), {"qty": 3}, "1 units more shipped or cancelled than the 2 ordered", id="shipped too many"
        ),
        pytest.param(("1", 3), {"qty": 1}, "{'1': 1} units are open", id="completed with a unit missing"),
        pytest.param(("1", 4), {"qty": 1}, "2 shipped, 1 delivered", id="a unit never handed over"),
        pytest.param(
            ("1", 1), {"qty": 5}, "{'1': 2} ordered at the channel, {'1': 5} in the log", id="another quantity"
        ),
    ],
)
def test_wrong_quantities_are_reported(
    sound: Evidence, edit: Edited, place: tuple[str, int], change: dict[str, int], says: str
) -> None:
    tampered = edit(sound, *place, lambda d: d | {"lines": [d["lines"][0] | change]})
    finding = quantities.check(tampered)
    assert any(says in text for text in finding.offenders), finding.offenders


def test_a_gap_in_an_orders_events_is_reported(sound: Evidence) -> None:
    finding = quantities.check(drop(sound, "1", 2))
    assert "event 3 SHIPPED where 2 was due" in finding.offenders[0]


def test_a_doubled_event_is_reported(sound: Evidence) -> None:
    finding = quantities.check(replace(sound, order_events=[*sound.order_events, sound.order_events[2]]))
    assert any("event 3 SHIPPED where 6 was due" in text for text in finding.offenders)


def test_a_poison_that_is_not_in_the_dlq_is_reported(sound: Evidence) -> None:
    finding = dead_letters.check(replace(sound, dlq=[]))
    assert finding.offenders == ["shopify:acme: broken delivery bad-1 is not in the DLQ"]


def test_a_dead_letter_that_nobody_expected_is_reported(sound: Evidence) -> None:
    channel = replace(sound.channels[0], poison=[])
    finding = dead_letters.check(replace(sound, channels=[channel]))
    assert "translate: line_items: missing" in finding.offenders[0]
