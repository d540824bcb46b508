"""The ledger only grows, knows its violations, and is continued from its file."""

from __future__ import annotations

import json
from pathlib import Path

from lab.simulators.ledger import EventLog
from lab.simulators.timeline import Timeline, roll


def test_entries_are_numbered_timed_and_found_by_kind() -> None:
    ledger = EventLog(now=lambda: 7)
    ledger.append("shipped", sku="A", qty=1)
    ledger.violation("shipped twice", sku="A")
    answer = ledger.as_json("shipped")
    assert answer["entries"] == [{"n": 1, "at": 7, "kind": "shipped", "sku": "A", "qty": 1}]
    assert [e["reason"] for e in answer["violations"]] == ["shipped twice"]
    assert [e["n"] for e in ledger.entries(since=1)] == [2]
    assert answer["next"] == 2


def test_each_entry_is_on_disk_when_it_is_written_and_a_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ledger.jsonl"
    ledger = EventLog(path)
    ledger.append("a", x=1)
    assert [json.loads(line)["kind"] for line in path.read_text().splitlines()] == ["a"]
    ledger.close()
    again = EventLog(path)
    assert again.append("b")["n"] == 2
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2]
    again.close()


def test_things_happen_at_their_time_and_equal_times_in_their_order() -> None:
    clock, done = [0], list[str]()
    timeline = Timeline(lambda: clock[0])
    for when, name in ((20, "c"), (10, "a"), (10, "b")):
        timeline.at(when, lambda n=name: done.append(n))
    assert timeline.step() == 0
    clock[0] = 10
    assert (timeline.step(), done) == (2, ["a", "b"])
    clock[0] = 99
    timeline.step()
    assert (done, timeline.pending) == (["a", "b", "c"], 0)


def test_a_chance_depends_on_its_name_alone() -> None:
    assert roll(1, "x").random() == roll(1, "x").random()
    assert roll(1, "x").random() != roll(2, "x").random()
