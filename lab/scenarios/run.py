"""Run a scenario: step by step, each followed by its expectations and by the laws that always hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from domain.rules.ruleset import RuleSet
from ops.errors import UserError
from ops.yaml.source import Path as Field
from ops.yaml.source import show

from .compare import Difference, Since, compare
from .form_expect import Expect
from .laws import broken
from .load import Case, ScenarioError, read
from .world import NotPossible, World

__all__ = ["Failure", "Result", "files", "run", "run_file"]


class Failure(msgspec.Struct, frozen=True):
    """An expectation that was not met. ``line`` in the file (from 1); ``step`` counts from 1, 0: the end of the run."""

    line: int
    step: int
    field: str
    expected: object
    actual: object


class Result(msgspec.Struct, frozen=True):
    """What became of a scenario. ``result``: passed, failed, or error (it could not be run: ``error`` says where and why).

    ``ms``: how long it ran, its expectations, laws and replays included; ``read_ms``: how long reading the file took.
    """

    file: str
    name: str
    result: str
    ms: float = 0.0
    read_ms: float = 0.0
    steps: int = 0
    failures: list[Failure] = []
    error: str = ""
    limits: str = ""


def files(paths: list[Path]) -> list[Path]:
    """The scenario files of a list of files and folders. Raises UserError where there is none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
        elif path.exists():
            found.append(path)
        else:
            raise UserError(f"{path}: no such file or folder")
    if not found:
        raise UserError(f"no scenario (*.yaml) in {', '.join(map(str, paths))}")
    return found


def run_file(path: Path, rules: RuleSet | None = None) -> Result:
    """Read and run a scenario; what is wrong with the file itself is its result ``error``."""
    started = time.perf_counter()
    try:
        case = read(path, rules)
        read_ms, started = _ms(started), time.perf_counter()
        failures = run(case)
    except UserError as e:
        return Result(str(path), path.stem, "error", error=str(e))
    scenario = case.scenario
    result = "failed" if failures else "passed"
    return Result(
        case.name,
        scenario.scenario,
        result,
        _ms(started),
        read_ms,
        len(scenario.steps),
        failures,
        limits=scenario.limits,
    )


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def run(case: Case) -> list[Failure]:
    """Run it; gives what was not as expected. Raises ScenarioError for a step that can't happen."""
    world, failures = World(case), list[Failure]()
    for i, step in enumerate(case.scenario.steps):
        since, path = Since.of(world.fold), ("steps", i)
        try:
            world.go_to(case.at[i])
            world.do(i, step)
        except NotPossible as e:
            problem = case.source.problem((*path, *e.field.split(".")), str(e), e.hint)
            raise ScenarioError(case.name, [problem]) from e
        failures += _failures(case, (*path, "expect"), i + 1, compare(step.expect or Expect(), world, since))
        failures += _laws(case, path, world, i + 1)
    failures += _end(case, world)
    return failures


def _end(case: Case, world: World) -> Iterator[Failure]:
    if expected := case.scenario.expect:
        rejected = expected.rejected if expected.rejected is not None else [x.code for x in world.fold.made.rejected]
        whole = msgspec.structs.replace(expected, rejected=rejected)
        yield from _failures(case, ("expect",), 0, compare(whole, world, Since()))
    for part in world.replays + world.fold.differs(world.fold.again()):
        yield Failure(1, 0, "replay", f"the log folded again gives the same {part}", "something else")


def _failures(case: Case, at: Field, step: int, found: Iterator[Difference]) -> Iterator[Failure]:
    for difference in found:
        line, _ = case.source.place((*at, *difference.path))
        yield Failure(line, step, show((*at, *difference.path)), difference.expected, difference.actual)


def _laws(case: Case, at: Field, world: World, step: int) -> Iterator[Failure]:
    for law, instead in broken(world.fold):
        yield Failure(case.source.place(at)[0], step, "law", law, instead)
