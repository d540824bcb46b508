"""``wharf rules``, looking back: two files compared, versions published before, the way back to one, and why an order went where it went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.errors import UserError

if TYPE_CHECKING:
    from domain.records.commands import RulesPublished
    from domain.rules.versions import RuleBook

__all__ = ["add"]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]


def add(commands: typer.Typer) -> None:
    """Add this module's commands to ``wharf rules``."""
    for name, command in _COMMANDS:
        commands.command(name)(command)


def diff(
    old: Annotated[Path, typer.Argument(help="A rule file")],
    new: Annotated[Path, typer.Argument(help="Another")],
    as_json: AsJson = False,
) -> None:
    """Show what differs between two rule files, field by field. (Against the rules in force: `wharf rules publish FILE`.)"""
    from ops.rules.diff import changes
    from ops.rules.load import load

    before, after = load(old), load(new)
    _changes(before.version, after.version, changes(before, after), as_json=as_json)


def _changes(before: str, after: str, found: list[Any], *, as_json: bool, **more: Any) -> None:
    if as_json:
        shown = [{"field": change.field, "before": change.before, "after": change.after} for change in found]
        typer.echo(json.dumps({"before": before, "version": after, **more, "changes": shown}, ensure_ascii=False))
        return
    for change in found:
        typer.echo(f"  {change.field}: {_short(change.before)} -> {_short(change.after)}")
    typer.echo(
        f"{before} -> {after}: {len(found)} field(s) differ" if found else f"{before} -> {after}: nothing differs"
    )


def _short(value: Any) -> str:
    shown = "(not there)" if value is None else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 70 else shown[:69] + "…"


def history(as_json: AsJson = False) -> None:
    """List the versions published: which is in force, which are ahead."""
    from ops.operator.order_text import table
    from schemas.headers import rfc3339

    published = _published()
    book = _book(published)
    ahead = {edition.version for edition in book.ahead}
    found = []
    for record in published:
        state = "withdrawn" if not record.body else ""
        if record.body and book.current and record.version == book.current.version and record.body == book.current.body:
            state = "in force"
        elif record.version in ahead:
            state = "ahead"
        since = rfc3339(max(record.effective_from, record.time))
        found.append(
            {
                "version": record.version,
                "published_at": rfc3339(record.time),
                "by": record.source,
                "from": since,
                "state": state,
            }
        )
    if as_json:
        typer.echo(json.dumps({"in_force": book.current.version if book.current else None, "published": found}))
        return
    rows = [["published (UTC)", "version", "from", "", "by"]]
    rows += [
        [record["published_at"], record["version"], record["from"], record["state"], record["by"]] for record in found
    ]
    typer.echo("\n".join(table(rows)) if found else "no rules were published yet: wharf rules publish FILE")


def _book(published: list[RulesPublished]) -> RuleBook:
    from ops import clock
    from ops.rules.publish import book
    from ops.settings import Settings

    return book(published, clock.from_setting(Settings().clock)())


def rollback(
    version: Annotated[str, typer.Argument(help="The version to go back to; none: the one before that in force")] = "",
    execute: Annotated[
        bool, typer.Option("--execute", help="Put it in force; else only show what would change")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Go back to a version published before: the same content, published again. What was decided meanwhile stays as it is."""
    from ops import clock
    from ops.rules.diff import changes
    from ops.rules.publish import of_edition, publish, rules_of
    from ops.servers.endpoints import kafka_bootstrap
    from ops.settings import Settings

    published = _published()
    book = _book(published)
    if book.current is None:
        raise UserError("no rules are in force yet: wharf rules publish FILE")
    current = of_edition(published, book.current)
    ahead = {edition.version for edition in book.ahead}
    target = _target(
        [record for record in published if record.body and record.version not in ahead], current.version, version
    )
    now_in_force, rules = rules_of(current), rules_of(target)
    if execute:
        settings = Settings()
        now = clock.from_setting(settings.clock)()
        publish(kafka_bootstrap(settings), settings.kafka_config, rules, now, f"wharf:rollback:{current.version}")
    found = changes(now_in_force, rules)
    _changes(current.version, rules.version, found, as_json=as_json, published=execute)
    if not as_json:
        typer.echo(f"version {rules.version} is in force again" if execute else "nothing was done: add --execute")


def withdraw(
    version: Annotated[str, typer.Argument(help="A version that is ahead: published, and not in force yet")],
    execute: Annotated[bool, typer.Option("--execute", help="Do it; else only say what would be done")] = False,
    as_json: AsJson = False,
) -> None:
    """Take back a version that was published for later, before its day."""
    from ops import clock
    from ops.rules.publish import withdraw as take_back
    from ops.servers.endpoints import kafka_bootstrap
    from ops.settings import Settings
    from schemas.headers import rfc3339

    ahead = {edition.version: edition for edition in _book(_published()).ahead}
    if version not in ahead:
        raise UserError(f"no version {version} is ahead; ahead: {', '.join(ahead) or 'none'}")
    if execute:
        settings = Settings()
        now = clock.from_setting(settings.clock)()
        take_back(kafka_bootstrap(settings), settings.kafka_config, version, now, "wharf:withdraw")
    if as_json:
        typer.echo(json.dumps({"version": version, "from": ahead[version].since, "withdrawn": execute}))
        return
    since = rfc3339(ahead[version].since)
    typer.echo(
        f"version {version} (from {since}) " + ("is withdrawn" if execute else "would be withdrawn: add --execute")
    )


def _target(published: list[RulesPublished], current: str, version: str) -> RulesPublished:
    fit = [record for record in published if (record.version == version if version else record.version != current)]
    known = ", ".join(dict.fromkeys(record.version for record in published))
    if not fit:
        raise UserError(f"there is no version {version or 'before ' + current} to go back to; published: {known}")
    if fit[-1].version == current:
        raise UserError(f"version {current} is in force already; published: {known}")
    return fit[-1]


def _published() -> list[RulesPublished]:
    from ops.rules.publish import history as read
    from ops.servers.endpoints import kafka_bootstrap
    from ops.settings import Settings

    settings = Settings()
    return read(kafka_bootstrap(settings), settings.kafka_config)


def explain(
    order: Annotated[
        str,
        typer.Argument(help="The order's key (channel:account:order id), the channel's id of it, or its name (#1001)"),
    ],
    as_json: AsJson = False,
) -> None:
    """Say why an order went where it went: each decision's candidates, what every rule did, the rules' version, what came of it."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from ops.operator import orders
    from ops.operator.decisions import decisions, text
    from ops.servers.endpoints import clickhouse_client
    from ops.settings import Settings

    try:
        with clickhouse_client(Settings()) as client:
            key = orders.find(client, order)
            found = decisions(orders.deciding(client, key))
    except ClickHouseError as e:
        raise UserError(f"ClickHouse: {str(e)[:300]} (the tables are made by `wharf sink`)") from e
    typer.echo(json.dumps({"order_key": key, "decisions": found}, ensure_ascii=False) if as_json else text(key, found))


_COMMANDS = (
    ("diff", diff),
    ("history", history),
    ("rollback", rollback),
    ("withdraw", withdraw),
    ("explain", explain),
)
