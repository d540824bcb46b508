"""``wharf rules``: check, show and publish what decides over orders; what was before is in ``rules_past``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["register"]

File = Annotated[Path, typer.Argument(help="A rule file, YAML or JSON")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]

commands = typer.Typer(
    no_args_is_help=True, help="Rules as data: depots, cut-offs, routing, priorities, checks (docs/rules.md)"
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    from . import rules_past, rules_simulate

    rules_past.add(commands)
    rules_simulate.add(commands)
    app.add_typer(commands, name="rules")


@commands.command("check")
def check_file(file: File, as_json: AsJson = False) -> None:
    """Read a rule file and say everything that is wrong with it, with line and field. Exit 2 if anything is."""
    from ops.rules.load import RulesError

    try:
        rules = _load(file)
    except RulesError as e:
        if not as_json:
            raise
        import msgspec

        problems = [msgspec.to_builtins(problem) for problem in e.problems]
        typer.echo(json.dumps({"ok": False, "file": str(file), "problems": problems}, ensure_ascii=False))
        raise typer.Exit(2) from e
    depots = [depot.id for depot in rules.depots]
    if as_json:
        said = {"version": rules.version, "depots": depots, "effective_from": rules.effective_from or None}
        typer.echo(json.dumps({"ok": True, "file": str(file), **said}))
    else:
        since = f", from {rules.effective_from} on" if rules.effective_from else ""
        typer.echo(f"{file}: version {rules.version}{since}, {len(depots)} depot(s): {', '.join(depots)}; no errors")


def _load(file: Path) -> Any:
    """A rule file whose messages have texts too. Raises RulesError with every problem."""
    from ops.rules.checks.message_templates import texts_problems
    from ops.rules.load import RulesError, load
    from ops.settings import Settings

    rules = load(file)
    if problems := texts_problems(file, rules, Settings().config):
        raise RulesError(str(file), problems)
    return rules


@commands.command("show")
def show(as_json: AsJson = False) -> None:
    """The rules in force, as YAML (or JSON) that can be edited and published again."""
    import msgspec

    found = _in_force()
    if found is None:
        typer.echo(
            json.dumps({"version": None}) if as_json else "no rules were published yet: wharf rules publish FILE"
        )
        return
    record, rules, ahead = found
    body = msgspec.to_builtins(rules)
    if as_json:
        said = {"version": record.version, "published_at": record.time, "by": record.source, "rules": body}
        typer.echo(
            json.dumps({**said, "ahead": [{"version": edition.version, "from": edition.since} for edition in ahead]})
        )
        return
    from ops.rules.calendars import collapsed
    from schemas.headers import rfc3339

    typer.echo(f"# version {record.version}, published {rfc3339(record.time)} by {record.source}")
    for edition in ahead:
        typer.echo(f"# ahead: version {edition.version}, from {rfc3339(edition.since)} on")
    typer.echo(_yaml(collapsed(body)), nl=False)


def _yaml(body: Any) -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    yaml, out = YAML(typ="safe", pure=True), StringIO()
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output, yaml.width = False, False, 120
    yaml.dump(body, out)
    return out.getvalue()


@commands.command("publish")
def publish_file(
    file: File,
    execute: Annotated[
        bool, typer.Option("--execute", help="Put them in force; else only show what would change")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a rule file would change against the rules in force; with --execute, put it in force everywhere at once."""
    import msgspec

    from ops.errors import UserError
    from ops.rules.diff import changes
    from ops.servers.endpoints import kafka_bootstrap
    from ops.settings import Settings

    rules = _load(file)
    found = _in_force()
    differing = changes(found[1] if found else None, rules)
    _same_name(found[1].version if found else "", rules.version, bool(differing))
    ahead = {edition.version: edition for edition in found[2]} if found else {}
    if rules.version in ahead and msgspec.json.decode(ahead[rules.version].body) != msgspec.to_builtins(rules):
        raise UserError(
            f"version {rules.version} is ahead with another content: withdraw it, or give the file another version"
        )
    if execute and differing:
        from ops import clock
        from ops.rules.publish import publish

        settings = Settings()
        now = clock.from_setting(settings.clock)()
        publish(kafka_bootstrap(settings), settings.kafka_config, rules, now, f"wharf:rules:{file.name}")
    if as_json:
        shown = [msgspec.to_builtins(change) for change in differing]
        before = found[1].version if found else None
        done = execute and bool(differing)
        said = {"before": before, "version": rules.version, "effective_from": rules.effective_from or None}
        typer.echo(json.dumps({**said, "published": done, "changes": shown}))
        return
    for change in differing:
        typer.echo(f"  {change.field}: {_short(change.before)} -> {_short(change.after)}")
    typer.echo(_summary(len(differing), rules.version, execute) + _later(rules.effective_from, [*ahead]))


def _same_name(before: str, after: str, differs: bool) -> None:
    from ops.errors import UserError

    if before == after and differs:
        raise UserError(f"version {after} is in force with another content: give the file another version, or none")


def _summary(count: int, version: str, execute: bool) -> str:
    if not count:
        return f"version {version}: nothing differs from the rules in force"
    if execute:
        return f"version {version} is published: {count} field(s) changed"
    return f"version {version} would change {count} field(s); add --execute to publish it"


def _later(effective_from: str, ahead: list[str]) -> str:
    more = f", in force from {effective_from} on" if effective_from else ""
    waiting = f"; ahead already: {', '.join(ahead)} (`wharf rules withdraw VERSION`)" if ahead else ""
    return more + waiting


def _short(value: Any) -> str:
    text = "(not there)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 70 else text[:69] + "…"


@commands.command("schema")
def print_schema() -> None:
    """The JSON Schema of a rule file: an editor that knows it completes fields and marks errors."""
    from ops.rules.load import schema

    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


def _in_force() -> Any:
    """The record in force, its rules, and the versions ahead; None before any."""
    from ops import clock
    from ops.rules.publish import book, history, of_edition, rules_of
    from ops.servers.endpoints import kafka_bootstrap
    from ops.settings import Settings

    settings = Settings()
    published = history(kafka_bootstrap(settings), settings.kafka_config)
    found = book(published, clock.from_setting(settings.clock)())
    if found.current is None:
        return None
    record = of_edition(published, found.current)
    return record, rules_of(record), found.ahead


@commands.command("hash")
def hash_values(
    values: Annotated[list[str], typer.Argument(help="E-mail addresses, phone numbers (+31…), domains")],
    as_json: AsJson = False,
) -> None:
    """Make the hashes that `lists` hold, so that no rule file holds anybody's data."""
    from domain.rules.hashes import hashed, kind_of
    from ops.errors import UserError

    made = {}
    for value in values:
        if not (kind := kind_of(value)):
            raise UserError(f"{value!r} is no e-mail address, phone number or domain")
        made[value] = hashed(kind, value.lstrip("@") if kind == "domain" else value)
    typer.echo(json.dumps(made) if as_json else "\n".join(f"- {hash_}" for hash_ in made.values()))
