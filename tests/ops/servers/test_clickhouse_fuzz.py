"""Thousands of hostile queries against files that must neither be read nor made; WHARF_FUZZ_MINUTES explores anew, for longer."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.servers.clickhouse import Engine
from ops.servers.clickhouse.bounds import Bounds
from ops.servers.clickhouse.engine import Answer
from ops.servers.clickhouse.errors import ClickHouseError
from ops.servers.clickhouse.request import parse
from tests.ops.servers.hostile import Attack, attacks

SECRET = "c4nary-in-a-coal-mine"
QUERIES = 1500
MINUTES = float(os.environ.get("WHARF_FUZZ_MINUTES") or 0)


def _budget() -> Iterator[int]:
    end = time.monotonic() + MINUTES * 60
    return itertools.takewhile(lambda n: time.monotonic() < end if MINUTES else n < QUERIES, itertools.count())


def _files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def _told(engine: Engine, attack: Attack) -> str:
    """All that a caller hears: the answer, or the error's text. No other exception is let through."""
    try:
        query = parse(attack.arguments, {}, attack.sql, Bounds(seconds=5))
        answer: Answer = engine.read(
            query.sql,
            format=query.format,
            parameters=query.parameters,
            settings=query.settings,
            database=query.database,
        )
        return answer.body.decode(errors="replace")
    except ClickHouseError as e:
        return e.message


def _leaks(engine: Engine, folder: Path, seed: int) -> Iterator[tuple[Attack, str]]:
    """The attacks that read the canary or changed a file in ``folder``."""
    folder.mkdir()
    canary = folder / "canary"
    canary.write_text(SECRET)
    before = _files(folder)
    for _, attack in zip(_budget(), attacks(random.Random(seed), str(canary), str(folder / "made")), strict=False):
        if SECRET in (said := _told(engine, attack)):
            yield attack, f"read: {said[:200]}"
        if (after := _files(folder)) != before:
            yield attack, f"files: {sorted(after)}"
            (folder / "made").unlink(missing_ok=True)


@pytest.mark.fuzz
def test_no_form_of_a_query_reads_or_makes_a_file(engine: Engine, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32) if MINUTES else 11
    found = list(itertools.islice(_leaks(engine, tmp_path / "outside", seed), 5))
    assert not found, f"seed {seed}"


def test_without_the_judge_the_same_queries_find_the_canary(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.servers.clickhouse.engine.allow", lambda *_: None)
    kinds = {said.split(":")[0] for _, said in itertools.islice(_leaks(engine, tmp_path / "outside", 11), 12)}
    assert kinds == {"read", "files"}
