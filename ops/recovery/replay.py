"""Rebuild the tables of a role from its input topics: what ``wharf replay state`` shows and does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops.errors import UserError
from streams.runtime import Runtime
from streams.runtime.go_on import cut_inputs, go_on
from streams.runtime.rebuild import GroupActive, PartitionPlan, Rebuilt, check_idle, plan, rebuild

__all__ = ["WHERE", "as_json", "check_possible", "describe", "execute", "move_on", "prepare"]

WHERE = ("first", "end")
"""Where to go on in an input that was cut: at the first record there is, or behind the last."""


def prepare(runtime: Runtime) -> list[PartitionPlan]:
    """What would be rebuilt. Raises UserError while workers of the group run, or where an input does not hold what was folded."""
    _idle(runtime)
    short = [i for i in cut_inputs(runtime.config, runtime.agents) if i.at > i.end]
    if short:
        raise UserError(
            f"{'; '.join(i.why for i in short)}: there is nothing to fold. Bring the topic back from a backup, or go on without what is gone "
            "with `--go-on first` (a topic that was made anew) or `--go-on end`"
        )
    return plan(runtime.config, runtime.agents)


def _idle(runtime: Runtime) -> None:
    try:
        check_idle(runtime.config)
    except GroupActive as e:
        raise UserError(str(e)) from e


def check_possible(plans: list[PartitionPlan], partial: bool) -> None:
    """Raise UserError where the input no longer reaches back to its beginning and that was not accepted."""
    short = [p for p in plans if not p.complete]
    if short and not partial:
        where = ", ".join(f"{p.topic}/{p.partition} (begins at {p.first})" for p in short)
        raise UserError(
            f"{where}: the input no longer reaches back to offset 0, so what only older records said would be missing"
            " from the tables. Restore the topic from a backup, or accept that with --partial"
        )


def move_on(runtime: Runtime, where: str, execute: bool) -> list[str]:
    """Go on in inputs that were cut, or say where that would be; lines for people. Raises UserError while workers of the group run."""
    _idle(runtime)
    inputs = cut_inputs(runtime.config, runtime.agents)
    if execute and inputs:
        go_on(runtime.config, inputs, where)
    lines = [
        f"{i.why}: {'goes' if execute else 'would go'} on at {i.first if where == 'first' else i.end}" for i in inputs
    ]
    return lines or ["Every input holds what its group has to read next: there is nothing to move."]


def execute(runtime: Runtime, plans: list[PartitionPlan]) -> list[Rebuilt]:
    """Rebuild every partition of the plan, with a progress bar on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("folding the input", total=sum(p.records for p in plans))
        return asyncio.run(_all(runtime, plans, lambda n: bar.advance(task, n)))


async def _all(runtime: Runtime, plans: list[PartitionPlan], progress: Callable[[int], None]) -> list[Rebuilt]:
    return [await rebuild(runtime.config, runtime.agents[p.topic], p, progress) for p in plans]


def describe(plans: list[PartitionPlan], done: list[Rebuilt] | None) -> list[str]:
    """Lines for people."""
    keys = {(r.plan.table, r.plan.partition): r for r in done or []}
    lines = []
    for p in plans:
        line = f"{p.table}/{p.partition}: {p.topic} from {p.first} to {p.committed if p.committed is not None else '-'}"
        line += f", {p.records} records" if p.refold else ", emptied (its input can't be folded again)"
        r = keys.get((p.table, p.partition))
        line += f": {r.keys} keys, {r.rejected} records rejected" if r else f"; now {p.keys} keys, {p.lost or 'whole'}"
        if not p.complete:
            line += f"; INCOMPLETE: the input begins at offset {p.first}"
        lines.append(line)
    return lines


def as_json(plans: list[PartitionPlan], done: list[Rebuilt] | None) -> dict[str, Any]:
    """The same for programs."""
    after = {(r.plan.table, r.plan.partition): r for r in done or []}
    rows = []
    for p in plans:
        row: dict[str, Any] = {
            "table": p.table,
            "partition": p.partition,
            "input": p.topic,
            "from": p.first,
            "to": p.committed,
            "records": p.records,
            "keys_before": p.keys,
            "lost": p.lost,
            "complete": p.complete,
            "refold": p.refold,
        }
        if r := after.get((p.table, p.partition)):
            row |= {"keys": r.keys, "folded": r.folded, "rejected": r.rejected}
        rows.append(row)
    return {"executed": done is not None, "partitions": rows}
