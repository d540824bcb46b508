"""``wharf status``: is everything running, and is it keeping up?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

__all__ = ["register", "render"]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("status")(status)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, every partition with its own lag")] = False,
) -> None:
    """Servers, workers in each group, lag by topic and partition, restores under way, the last commits, dead letters.

    Ends with 1 where a server does not answer or a group has no worker.
    """
    from ops.monitoring.status import as_json as dumped
    from ops.monitoring.status import gather, healthy
    from ops.settings import Settings

    found = gather(Settings())
    typer.echo(dumped(found) if as_json else "\n".join(render(found)))
    if not healthy(found):
        raise typer.Exit(1)


def render(found: dict[str, Any]) -> Iterator[str]:
    """As a person reads it."""
    kafka, clickhouse = found["kafka"], found["clickhouse"]
    brokers = f"{kafka['brokers']} broker{'s' if kafka['brokers'] != 1 else ''}"
    yield f"Kafka       {kafka['bootstrap']}  {brokers if kafka['ok'] else 'does not answer: ' + kafka['error']}"
    yield f"ClickHouse  {clickhouse['url'] or '-'}  {'ok' if clickhouse['ok'] else clickhouse['error']}"
    if found["dead_letters"] is not None:
        more = "  (`wharf dlq list`)" if found["dead_letters"] else ""
        yield f"DLQ         {found['dead_letters']} records{more}"
    for group in found["groups"]:
        yield ""
        yield from _group(group, found["processes"])
    if found["processes"]:
        yield ""
        yield from _processes(found["processes"])


def _group(group: dict[str, Any], processes: list[dict[str, Any]]) -> Iterator[str]:
    names = ", ".join(f"{member['member']} ({member['partitions']})" for member in group["members"])
    role = group["group"].removeprefix("wharf-")
    mine = [one for one in processes if one["process"].startswith(f"{role}-") and not one["error"]]
    yield f"{group['group']}  {group['state']}, lag {group['lag']}, workers: {names or _nobody(role, mine)}"
    if names and group["unowned"]:
        yield f"  ! owned by nobody: {', '.join(group['unowned'])}{_way_out(mine)}"
    for trouble in (partition["trouble"] for partition in group["partitions"] if partition["trouble"]):
        yield f"  ! {trouble}; the process's log says the way out"
    topics: dict[str, list[dict[str, Any]]] = {}
    for partition in group["partitions"]:
        topics.setdefault(partition["topic"], []).append(partition)
    for topic, partitions in topics.items():
        each = "  ".join(
            f"{partition['partition']}: {'' if partition['exact'] else '~'}{partition['lag']}"
            for partition in partitions
        )
        yield f"  {topic:22} {sum(partition['lag'] for partition in partitions):>8}   {each}"


def _nobody(role: str, mine: list[dict[str, Any]]) -> str:
    if mine:
        return f"none, though {', '.join(partition['process'] for partition in mine)} runs{_way_out(mine)}"
    return f"none: start `{'wharf sink' if role == 'sink' else f'wharf worker --role {role}'}`"


def _way_out(mine: list[dict[str, Any]]) -> str:
    """What becomes of a process that is out of its group."""
    pids = " ".join(str(partition["pid"]) for partition in mine)
    more = f"; if they stay so, `kill {pids}`" if mine else ""
    return f": who stands still ends by himself within a minute, for his supervisor to start him again{more}"


def _processes(processes: list[dict[str, Any]]) -> Iterator[str]:
    import time

    yield f"{'Process':12} {'pid':>8}  {'last commit':>12}  {'dead':>5}  restoring"
    for process in processes:
        last = "-" if process["last_commit"] is None else f"{max(time.time() - process['last_commit'], 0):.0f} s ago"
        under_way = [f"{tp} {share:.0%}" for tp, share in sorted(process["restore"].items()) if share < 1]
        told = process["error"] or ", ".join(under_way) or ("out of its group" if process["standing"] else "-")
        yield f"{process['process']:12} {process['pid']:>8}  {last:>12}  {process['dead_letters']:>5}  {told}"
