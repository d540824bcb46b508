"""The figures' script: what it counts, on a module written for it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = '''"""A module."""


def add(a: int, other: int) -> int:
    """Sum."""
    t = a + other  # both in cents
    total = [x for x in (t,)]
    return total[0]


def _hidden() -> None:
    """Two words."""
'''


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "tests" / "repository" / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "figures", module)  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def test_letters_docstrings_and_comments_are_counted(figures: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "__init__.py").touch()
    (tmp_path / "domain" / "module.py").write_text(SOURCE)
    rows = {what: product for what, product, _ in figures.table(tmp_path)}
    assert rows["modules"] == "1"
    assert rows["files a folder: most"] == "2"
    assert rows["local names of one letter"] == "66.7 %"  # t and x of t, x, total
    assert rows["the same, without comprehensions"] == "50.0 %"
    assert rows["parameters of one letter"] == "50.0 %"
    assert rows["public docstrings under 4 words"] == "1 of 1"
    assert rows["the same, private ones too"] == "2 of 2"
    assert rows["inline comments a 100 lines"] == f"{100 / 8:.2f}"


def test_the_repository_itself_can_be_measured(figures: ModuleType) -> None:
    assert len(figures.table(ROOT)) >= 14
