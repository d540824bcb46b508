"""The walls between the rooms: each contract fails when a forbidden import is put in, and judges share no code with what they judge."""

from __future__ import annotations

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("domain", "schemas", "connectors", "streams", "sinks", "ops", "lab", "wharf")

FORBIDDEN = {
    "domain <- schemas <- {connectors | streams | sinks} <- ops <- lab <- wharf": [
        ("ops/supervisor.py", "lab.simulators.catalogue"),
        ("lab/simulators/catalogue.py", "wharf.options"),
        ("streams/cel.py", "ops.errors"),
        ("sinks/clickhouse/migrate.py", "connectors.outgoing"),
    ],
    "the domain knows only the standard library and msgspec": [("domain/money.py", "os")],
    "domain: records <- rules <- allocation <- {order | pool}": [
        ("domain/records/values.py", "domain.rules.hashes"),
        ("domain/rules/hashes.py", "domain.allocation.zones"),
        ("domain/allocation/zones.py", "domain.pool.state"),
        ("domain/pool/ordered_index.py", "domain.order.state.status"),
    ],
    "ops: yaml <- {operator | recovery | servers} <- {processes | rules} <- monitoring": [
        ("ops/yaml/source.py", "ops.operator.order_text"),
        ("ops/servers/ports.py", "ops.processes.logs"),
        ("ops/processes/logs.py", "ops.rules.effective_date"),
        ("ops/rules/effective_date.py", "ops.monitoring.offsets"),
    ],
    "the demo's checks share no code with what they check": [
        ("lab/demo/checks/finding.py", "domain.money"),
        ("lab/demo/checks/finding.py", "lab.simulators.catalogue"),
    ],
}
"""Contract → imports that it must not let pass: file and module."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the tree with every forbidden import in it."""
    copy = tmp_path_factory.mktemp("tree")
    for name in OURS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.avsc", "*.ttf"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for path, module in (graft for grafts in FORBIDDEN.values() for graft in grafts):
        file = copy / path
        file.write_text(file.read_text() + f"\nimport {module}\n")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    env = {**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "200"}
    ended = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return ended.stdout


def test_every_contract_is_tried() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {c["name"] for c in settings["tool"]["importlinter"]["contracts"]} == set(FORBIDDEN)


@pytest.mark.parametrize("contract", FORBIDDEN)
def test_a_contract_fails_when_a_forbidden_import_is_put_in(report: str, contract: str) -> None:
    assert re.search(re.escape(contract) + r"\s+BROKEN", report), report
    part = re.split(r"\n-{3,}\n", report.partition("Broken contracts")[2])
    details = "\n".join(b for a, b in itertools.pairwise(part) if a.rstrip().endswith(contract))
    for path, module in FORBIDDEN[contract]:
        source = path.removesuffix(".py").replace("/", ".")
        assert re.search(rf"{re.escape(source)}\s+->\s+{re.escape(module)}\b", details), (
            f"{source} -> {module}\n{details}"
        )


def imports(file: Path) -> Iterator[str]:
    """The modules that a file imports, inside functions too."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1]
            yield ".".join([*above, *([node.module] if node.module else [alias.name for alias in node.names])])


def borrowed(folder: str, allowed: tuple[str, ...]) -> set[str]:
    """File and module of each import of ours in a folder, but for those that are allowed."""
    return {
        f"{file.name}: {module}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for module in imports(file)
        if module.split(".")[0] in OURS and not any(module == a or module.startswith(a + ".") for a in allowed)
    }


def test_the_demos_checks_import_nothing_of_ours_but_each_other() -> None:
    assert borrowed("lab/demo/checks", ("lab.demo.checks",)) == set()


def test_the_oracles_import_the_demos_checks_and_its_reading_and_nothing_else_of_ours() -> None:
    """The fold is the one exception by intent: it shares the decisions, because it asks whether they were carried out (docs/faults.md)."""
    found = borrowed("tests/system/oracles", ("lab.demo.checks", "lab.demo.collect", "lab.demo.ledgers"))
    assert {f for f in found if not f.startswith("fold.py: ")} == set()
    assert {f.split()[1].split(".")[0] for f in found} <= {"streams", "domain"}


def test_the_simulations_oracles_import_nothing_of_ours() -> None:
    file = ROOT / "tests/system/simulation/simulator/oracles.py"
    assert [m for m in imports(file) if m.split(".")[0] in OURS] == []
