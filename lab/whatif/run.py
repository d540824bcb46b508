"""Both worlds at once: a process each reads the log and folds it, and tells how far it has come."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import msgspec

from domain.records.commands import PoolCommand
from domain.records.events import PoolEvent
from domain.rules.ruleset import RuleSet
from ops.errors import UserError

from .history import entries
from .order_result import Row
from .report import compare
from .rerun import Rerun

__all__ = ["fold", "simulate"]

_TELL_EVERY = 500


class _Told(msgspec.Struct, array_like=True):
    """What a process says at its end."""

    rows: list[Row]
    really: dict[str, set[str]]
    error: str = ""


def fold(
    path: Path,
    rules: RuleSet | None,
    span: tuple[int, int],
    before: RuleSet,
    progress: Callable[[int], None] = lambda _: None,
) -> Rerun:
    """Fold a log through one world; ``span``: from, to (UTC ms, the end is not in it). ``progress`` gets the byte reached."""
    world, (start, end) = Rerun(rules, span[0], before), span
    for n, (at, record) in enumerate(entries(path)):
        if record is None:
            world.begin_partition()
        elif isinstance(record, PoolEvent):
            world.real.said(record)
        elif _time(record) < end:
            world.take(record)
        if n % _TELL_EVERY == 0:
            progress(at)
    del start
    return world


def _time(record: PoolCommand) -> int:
    return record.time


def simulate(
    path: Path, new: RuleSet, span: tuple[int, int], before: RuleSet, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Past requests through the rules of their time and through ``new``; see ``report``. ``progress`` gets the part done, 0 to 1.

    Raises UserError where the log can't be read.
    """
    context, size = multiprocessing.get_context("spawn"), max(path.stat().st_size, 1)
    pipes: dict[Connection, int] = {}
    children = []
    for i, rules in enumerate((None, new)):
        mine, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(theirs, path, rules, span, before), daemon=True)
        child.start()
        theirs.close()
        children.append(child)
        pipes[mine] = i
    try:
        old, other = _gather(pipes, size, progress)
    finally:
        for child in children:
            child.terminate()
            child.join()
    return compare(old.rows, other.rows, old.really)


def _gather(pipes: dict[Connection, int], size: int, progress: Callable[[float], None]) -> list[_Told]:
    done: dict[int, _Told] = {}
    reached = dict.fromkeys(pipes.values(), 0)
    while len(done) < len(pipes):
        ready = wait([connection for connection, i in pipes.items() if i not in done])
        for pipe, i in [(connection, i) for connection, i in pipes.items() if connection in ready]:
            try:
                said = pipe.recv()
            except EOFError as e:
                raise UserError("a process of the simulation ended before it was done (out of memory?)") from e
            if isinstance(said, int):
                reached[i] = said
                progress(sum(reached.values()) / size / len(pipes))
                continue
            done[i] = msgspec.msgpack.decode(said, type=_Told)
            if done[i].error:
                raise UserError(done[i].error)
    return [done[i] for i in sorted(done)]


def _child(pipe: Connection, path: Path, rules: RuleSet | None, span: tuple[int, int], before: RuleSet) -> None:
    import gc

    gc.disable()  # what is kept stays to the end, and nothing here goes in circles: looking for them takes a third of the time
    try:
        world = fold(path, rules, span, before, pipe.send)
        told = _Told(world.rows(), world.real.first if rules is None else {})
    except UserError as e:
        told = _Told([], {}, str(e))
    pipe.send(msgspec.msgpack.encode(told))
    pipe.close()
