"""``wharf dlq``: what could not be processed, and another try for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import UserError

if TYPE_CHECKING:
    from ops.recovery.dead_letters import DeadLetter

__all__ = ["list_", "redrive", "register", "show"]

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout")]
Topic = Annotated[str, typer.Option(help="Only those of this source topic")]
Code = Annotated[str, typer.Option(help="Only those with this error code")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="Dead letters: list, show, redrive.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("redrive")(redrive)
    app.add_typer(group, name="dlq")


def _kafka() -> dict[str, str]:
    from ops.servers.endpoints import kafka_config
    from ops.settings import Settings

    return kafka_config(Settings())


def list_(
    topic: Topic = "",
    code: Code = "",
    all_: Annotated[bool, typer.Option("--all", help="Also those that were redriven")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, personal data masked."""
    from ops.recovery import dead_letters as dlq

    letters = [x for x in dlq.select(dlq.read_dead_letters(_kafka()), [], topic, code) if all_ or x.redriven is None]
    if as_json:
        typer.echo(json.dumps({"dead_letters": [dlq.as_json(x) for x in letters]}))
        return
    for letter in letters:
        typer.echo(_line(letter))
    typer.echo(f"{len(letters)} dead letters" + ("" if all_ else " not redriven"), err=True)


def show(
    id: Annotated[str, typer.Argument(help="PARTITION:OFFSET, as `wharf dlq list` shows it")], as_json: AsJson = False
) -> None:
    """Show one dead letter whole: value, headers and stack trace, with any personal data in them."""
    from ops.recovery import dead_letters as dlq

    [letter] = dlq.select(dlq.read_dead_letters(_kafka()), [id])
    typer.echo(json.dumps(dlq.as_json(letter, whole=True), indent=None if as_json else 2, ensure_ascii=as_json))


def redrive(
    ids: Annotated[list[str] | None, typer.Argument(help="PARTITION:OFFSET; none means all that match")] = None,
    topic: Topic = "",
    code: Code = "",
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this it only shows what it would do")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into the topics they came from, each at most once.

    A delivery that could not be translated is translated anew, with what the connector can read by now.
    """
    from ops import clock
    from ops.processes.webhooks import receivers
    from ops.recovery import dead_letters as dlq
    from ops.recovery.redrive import Redriver, remake
    from ops.settings import ConfigError, Settings, load_connections

    settings = Settings()
    try:
        accounts = receivers(load_connections(settings.config))
    except ConfigError as e:
        raise UserError(str(e)) from e
    kafka = _kafka()
    now = clock.from_setting(settings.clock)
    letters = [x for x in dlq.select(dlq.read_dead_letters(kafka), ids or [], topic, code) if x.redriven is None]
    redriver = Redriver(kafka, accounts) if execute and letters else None
    done: list[DeadLetter] = []
    refused: dict[str, str] = {}
    for letter in letters:
        try:
            if redriver is None:
                remake(letter, kafka, accounts, now())
            elif not redriver.redrive(letter, now()):
                continue
            done.append(letter)
        except UserError as e:
            refused[letter.id] = str(e)
    if as_json:
        typer.echo(json.dumps({"executed": execute, "redriven": [x.id for x in done], "refused": refused}))
        return
    for letter in done:
        typer.echo(f"{'redriven' if execute else 'would redrive'} {_line(letter)}")
    for why in refused.values():
        typer.echo(f"refused {why}", err=True)
    if not execute:
        typer.echo(f"Nothing was changed: add --execute to redrive {len(done)} dead letters.")


def _line(letter: DeadLetter) -> str:
    from ops.recovery.dead_letters import mask

    topic, partition, offset = letter.source
    at = datetime.fromtimestamp(letter.time / 1000, UTC).isoformat(timespec="seconds")
    where = topic if partition is None else f"{topic}/{partition}@{offset}"
    message = mask(letter.cause("exception.message"))
    mark = " (redriven)" if letter.redriven is not None else ""
    return f"{letter.id}  {at}  {where}  {letter.key.decode(errors='replace')}  {message}{mark}"
