"""What is required is imported, and what is imported is required."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("domain", "schemas", "connectors", "streams", "sinks", "ops", "lab", "wharf", "bench", "tests")
PRODUCT = SOURCES[:-2]

NOT_IMPORTED = {
    "tzdata": "zoneinfo reads it where the system has no time zones",
    "setuptools": "builds the project: `make setup` installs it without build isolation",
    "uv": "installs the packages: `make setup`",
    "pytest-asyncio": "pytest's plug-in: tests that are coroutines",
    "pytest-timeout": "pytest's plug-in: no test hangs for ever",
    "pytest-xdist": "pytest's plug-in: `make test` uses two processes",
    "ruff": "`make check`",
    "mypy": "`make check`",
    "import-linter": "`make check`",
    "types-psutil": "mypy reads it",
}
"""Requirement → what uses it without an import."""

PEERS = {"quixstreams", "mode"}
"""Imported by the benchmarks' peers alone, in an environment of their own (bench/peers-requirements.in), or part of Faust."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(*files: str) -> set[str]:
    lines = [line for file in files for line in (ROOT / "requirements" / file).read_text().splitlines()]
    named = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if not line.startswith(("-", "#")))
    return {normal(found[0]) for found in named if found}


def imported(*folders: str) -> set[str]:
    """Top-level names of all imports, inside functions too."""
    found = set()
    for file in (f for folder in folders for f in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.split(".")[0])
    return found


def distributions(modules: set[str]) -> set[str]:
    owners = importlib.metadata.packages_distributions()
    return {normal(owner) for module in modules for owner in owners.get(module, [])}


def test_every_requirement_is_imported_or_says_what_uses_it() -> None:
    files = [path.name for path in (ROOT / "requirements").glob("*.in")]
    assert required(*files) - distributions(imported(*SOURCES)) - set(NOT_IMPORTED) == set()


def test_no_reason_is_left_over() -> None:
    files = [path.name for path in (ROOT / "requirements").glob("*.in")]
    assert set(NOT_IMPORTED) - required(*files) == set()
    assert set(NOT_IMPORTED) & distributions(imported(*SOURCES)) == set()


def lacking(folders: tuple[str, ...], *files: str) -> set[str]:
    """Modules of others that are imported, and no distribution that brings them is required."""
    others = imported(*folders) - set(sys.stdlib_module_names) - set(SOURCES) - PEERS
    owners = importlib.metadata.packages_distributions()
    return {m for m in others if m in owners and not distributions({m}) & required(*files)}


def test_what_the_product_imports_it_requires_itself() -> None:
    assert lacking(PRODUCT, "base.in") == set()


def test_what_tests_and_benchmarks_import_is_required() -> None:
    assert lacking(SOURCES, "base.in", "dev.in") == set()
