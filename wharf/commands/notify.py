"""``wharf notify``: what customers are told: see it, check it, send yourself one (docs/notifications.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connectors.messages.config import Messages
    from domain.records.effects import CustomerMessage

__all__ = ["register"]

Event = Annotated[str, typer.Argument(help="What it tells of: PLACED, DELAYED, SHIPPED, CREDITED …")]
Language = Annotated[str, typer.Option(help="nl, de, en, fr, or one of your own")]
Medium = Annotated[str, typer.Option(help="mail, sms, whatsapp")]
Template = Annotated[str, typer.Option(help="Another template than the event's own")]
Order = Annotated[str, typer.Option(help="What the sample order is called")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]

commands = typer.Typer(no_args_is_help=True, help="Messages to customers: preview, check, try (docs/notifications.md)")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="notify")


@commands.command("preview")
def preview(
    event: Event,
    *,
    language: Language = "en",
    medium: Medium = "mail",
    template: Template = "",
    order: Order = "#1001",
    html: Annotated[bool, typer.Option("--html", help="The mail's HTML instead of its text")] = False,
    as_json: AsJson = False,
) -> None:
    """A message with sample data, as it would be sent. Nothing is sent, no server is needed."""
    from connectors.messages.render import Renderer, RenderError
    from ops.errors import UserError
    from ops.rules.checks.message_templates import catalogue_of
    from ops.settings import Settings

    settings = Settings()
    message = _sample(event, medium, language, template, order)
    try:
        made = Renderer(catalogue_of(settings.config)).render(message, _brand(settings.config))
    except RenderError as e:
        raise UserError(str(e)) from e
    if as_json:
        said = {"event": event, "medium": medium, "language": language, "template": message.template}
        typer.echo(
            json.dumps({**said, "subject": made.subject, "text": made.text, "html": made.html}, ensure_ascii=False)
        )
    elif html:
        typer.echo(made.html, nl=False)
    else:
        typer.echo(f"Subject: {made.subject}\n\n{made.text}" if made.subject else made.text, nl=not made.subject)


@commands.command("check")
def check_texts(
    rules: Annotated[
        Path | None, typer.Argument(help="A rule file: the texts its messages are made of; none: all")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Render every text with samples, in every language: what is missing or undefined, before a customer sees it. Exit 2 if anything is."""
    from connectors.messages.check import check
    from connectors.messages.check import check_texts as syntax
    from ops.rules.checks.message_templates import catalogue_of, every_use, texts_problems
    from ops.rules.load import load
    from ops.settings import Settings

    config = Settings().config
    if rules is not None:
        problems = [p.text(str(rules)) for p in texts_problems(rules, load(rules), config)]
        what = str(rules)
    else:
        catalogue = catalogue_of(config)
        found = check(catalogue, every_use(), catalogue.languages, _brand(config))
        problems = [*syntax(catalogue), *(text for _, text in found)]
        what = f"{len(catalogue.names)} templates in {', '.join(catalogue.languages)}"
    if as_json:
        typer.echo(json.dumps({"ok": not problems, "checked": what, "problems": problems}, ensure_ascii=False))
    else:
        for problem in problems:
            typer.echo(problem, err=True)
        typer.echo(f"{what}: {len(problems) or 'no'} error(s)" if problems else f"{what}: no errors")
    if problems:
        raise typer.Exit(2)


@commands.command("test")
def send_one(
    *,
    to: Annotated[str, typer.Option(help="Your own address or number (E.164)")],
    event: Annotated[str, typer.Option(help="What it tells of")] = "SHIPPED",
    language: Language = "en",
    medium: Medium = "mail",
    template: Template = "",
    execute: Annotated[bool, typer.Option("--execute", help="Send it; else only say what would be sent")] = False,
    as_json: AsJson = False,
) -> None:
    """Send one sample message through the connection of wharf.yaml, to see that it arrives and how it looks."""
    import asyncio
    import uuid

    import msgspec

    from ops.errors import UserError
    from ops.processes.connections import connections
    from ops.settings import Settings

    found = connections(Settings())
    if found.messages is None or getattr(found.messages, medium, None) is None:
        raise UserError(f"messages.{medium} is not in wharf.yaml: nothing to send over (wharf.example.yaml shows it)")
    sample = _sample(event, medium, language, template, "#1001")
    message = msgspec.structs.replace(sample, to=to, event_id=str(uuid.uuid4()))
    said: dict[str, Any] = {"to": to, "medium": medium, "event": event, "template": message.template, "sent": False}
    if execute:
        sent = asyncio.run(_send(found.messages, message))
        said |= {"sent": sent.ok, "reference": sent.reference, "error": sent.error}
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    elif not execute:
        typer.echo(f"would send {message.template} in {language} by {medium} to {to}; with --execute it is sent")
    elif said["sent"]:
        typer.echo(f"sent {message.template} by {medium} to {to} {said['reference']}".rstrip())
    if execute and not said["sent"]:
        if not as_json:
            raise UserError(f"not sent: {said['error']}")
        raise typer.Exit(2)


async def _send(messages: Messages, message: CustomerMessage) -> Any:
    from connectors.messages.senders import message_senders

    sender = message_senders(messages)[message.target]
    try:
        return await sender.send(message, message.time)
    finally:
        await sender.close()


def _sample(event: str, medium: str, language: str, template: str, order: str) -> CustomerMessage:
    import msgspec

    from connectors.messages.sample import sample
    from domain.rules.notifications import MEDIA, NOTICES
    from ops.errors import UserError
    from ops.yaml.formats import closest

    if event not in NOTICES:
        hint = closest(event.upper(), NOTICES) or f"one of {', '.join(NOTICES)}"
        raise UserError(f"{event}: customers are told nothing of that; {hint}")
    if medium not in MEDIA:
        raise UserError(f"{medium}: no such medium; one of {', '.join(MEDIA)}")
    made = sample(event, medium, language, order)
    return msgspec.structs.replace(made, template=template) if template else made


def _brand(config: Path) -> Any:
    """The merchant's own name in previews, where wharf.yaml can be read (its secrets may be elsewhere)."""
    from connectors.messages.config import Brand
    from ops.settings import ConfigError, load_connections

    try:
        found = load_connections(config).messages
    except ConfigError:
        found = None
    return found.brand if found is not None else Brand.model_validate({"name": "Example Shop"})
