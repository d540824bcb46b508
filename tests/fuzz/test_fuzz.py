"""``make fuzz`` with faults planted: each is found, kept as a test that shows it again, and does not stop the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[2]
PLANTED = """
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

@given(st.integers(), st.data())
def test_small(n, data):
    assert n + data.draw(st.integers(0, 9)) < 1000

class Counter(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.n = 0

    @rule(by=st.integers(1, 3))
    def up(self, by):
        self.n += by
        assert self.n < 4

TestCounter = Counter.TestCase

@given(st.integers())
def test_sound(n):
    assert n == n

def test_of_another_kind():
    raise AssertionError("not for fuzzing")
"""


def run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("WHARF_FUZZ", "PYTEST"))}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=clean | more, capture_output=True, text=True, check=False
    )


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    file = tmp_path / "test_planted.py"
    file.write_text(PLANTED)
    return file


def test_what_is_found_is_kept_as_a_test_and_the_others_go_on(planted: Path, tmp_path: Path) -> None:
    found = tmp_path / "found"
    fuzz = run("tests/fuzz/run.py", "--rounds", "1", "--seed", "7", "--found", str(found), str(planted))
    assert fuzz.returncode == 1, fuzz.stderr
    assert sorted(Path(line).name for line in fuzz.stdout.split()) == sorted(f.name for f in found.iterdir())
    assert len(list(found.iterdir())) == 2, fuzz.stderr
    assert "passed" in fuzz.stderr
    assert "state.up(by=" in fuzz.stderr
    for file in found.iterdir():
        again = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(file))
        assert again.returncode == 1, again.stdout
    planted.write_text(PLANTED.replace("< 1000", "is not None").replace("self.n < 4", "self.n > 0"))
    assert run("tests/fuzz/run.py", "--rounds", "1", "--found", str(found), str(planted)).returncode == 0


def test_the_tests_look_at_the_same_examples_each_run() -> None:
    used = settings.get_profile("test")
    assert (used.derandomize, used.database, used.deadline) == (True, None, None)
