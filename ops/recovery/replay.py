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
    short = [input_ for input_ in cut_inputs(runtime.config, runtime.agents) if input_.at > input_.end]
    if short:
        raise UserError(
            f"{'; '.join(input_.why for input_ in short)}: there is nothing to fold. Bring the topic back from a backup, or go on without what is gone "
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
    short = [plan for plan in plans if not plan.complete]
    if short and not partial:
        where = ", ".join(f"{plan.topic}/{plan.partition} (begins at {plan.first})" for plan in short)
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
        f"{input_.why}: {'goes' if execute else 'would go'} on at {input_.first if where == 'first' else input_.end}"
        for input_ in inputs
    ]
    return lines or ["Every input holds what its group has to read next: there is nothing to move."]


def execute(runtime: Runtime, plans: list[PartitionPlan]) -> list[Rebuilt]:
    """Rebuild every partition of the plan, with a progress bar on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("folding the input", total=sum(plan.records for plan in plans))
        return asyncio.run(_all(runtime, plans, lambda count: bar.advance(task, count)))


async def _all(runtime: Runtime, plans: list[PartitionPlan], progress: Callable[[int], None]) -> list[Rebuilt]:
    return [await rebuild(runtime.config, runtime.agents[plan.topic], plan, progress) for plan in plans]


def describe(plans: list[PartitionPlan], done: list[Rebuilt] | None) -> list[str]:
    """Describe it in lines for people."""
    keys = {(result.plan.table, result.plan.partition): result for result in done or []}
    lines = []
    for planned in plans:
        line = f"{planned.table}/{planned.partition}: {planned.topic} from {planned.first} to {planned.committed if planned.committed is not None else '-'}"
        line += f", {planned.records} records" if planned.refold else ", emptied (its input can't be folded again)"
        result = keys.get((planned.table, planned.partition))
        line += (
            f": {result.keys} keys, {result.rejected} records rejected"
            if result
            else f"; now {planned.keys} keys, {planned.lost or 'whole'}"
        )
        if not planned.complete:
            line += f"; INCOMPLETE: the input begins at offset {planned.first}"
        lines.append(line)
    return lines


def as_json(plans: list[PartitionPlan], done: list[Rebuilt] | None) -> dict[str, Any]:
    """The same for programs."""
    after = {(result.plan.table, result.plan.partition): result for result in done or []}
    rows = []
    for planned in plans:
        row: dict[str, Any] = {
            "table": planned.table,
            "partition": planned.partition,
            "input": planned.topic,
            "from": planned.first,
            "to": planned.committed,
            "records": planned.records,
            "keys_before": planned.keys,
            "lost": planned.lost,
            "complete": planned.complete,
            "refold": planned.refold,
        }
        if result := after.get((planned.table, planned.partition)):
            row |= {"keys": result.keys, "folded": result.folded, "rejected": result.rejected}
        rows.append(row)
    return {"executed": done is not None, "partitions": rows}
