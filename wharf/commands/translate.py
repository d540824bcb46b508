"""``wharf translate``: what a payload of a channel becomes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.errors import UserError

if TYPE_CHECKING:
    from connectors.protocols import Translation

__all__ = ["register"]

ACCOUNT = "example"
TRACE = "0" * 31 + "1"


def _shopify(topic: str, body: bytes, account: str, now: int, trace: str) -> Translation:
    from connectors.shopify.translate import translate

    return translate(topic, body, account, now, trace)


def _bol(topic: str, body: bytes, account: str, now: int, trace: str) -> Translation:
    from connectors.bol.translate import translate

    return translate(topic, body, account, now, trace)


def _threepl(topic: str, body: bytes, account: str, now: int, trace: str) -> Translation:
    from connectors.threepl.translate import translate

    return translate(topic, body, account, now, trace)


CHANNELS: dict[str, Callable[[str, bytes, str, int, str], Translation]] = {
    "shopify": _shopify,
    "bol": _bol,
    "threepl": _threepl,
}


def _read(file: str) -> bytes:
    """The file's bytes (``-``: stdin); of a recorded HTTP answer (status line, headers, blank line) only its body."""
    if file == "-":
        data = sys.stdin.buffer.read()
    else:
        path = Path(file)
        if not path.is_file():
            raise UserError(f"{file}: no such file")
        data = path.read_bytes()
    if data.startswith(b"HTTP/"):
        head, found, body = data.replace(b"\r\n", b"\n").partition(b"\n\n")
        if not found:
            raise UserError(f"{file}: an HTTP answer without a body")
        status = head.split(None, 2)[1:2]
        if not status or not status[0].startswith(b"2"):
            first = head.partition(b"\n")[0].decode(errors="replace")
            raise UserError(f"{file}: the answer is an error ({first}): there is nothing to translate")
        return body
    return data


def _plain(record: Any) -> dict[str, Any]:
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(record)
    return data


def _summary(name: str, data: dict[str, Any]) -> str:
    """The telling fields of a record in one cell; money is in minor units, as in the record."""
    from schemas.headers import rfc3339

    head = {"event_id", "type", "time", "source", "trace", "order_key", "pool", "delivery_id", "content_hash"}
    parts: list[str] = []
    content = data.get("order") or data
    for key, value in content.items():
        if key in head or value in ("", None, [], {}) or (key in data and key == "idempotency_key"):
            continue
        if key == "lines":
            parts += [f"  {line.get('qty', '')} × {line.get('sku') or line.get('line_id')}" for line in value]
        elif key == "client":
            address = value["shipping_address"]
            parts.append(f"to: {address['country']} {address['postcode']} {address['city']}")
        elif key == "problems":
            parts += [f"problem: {part['code']} in {part['field']}: {part['detail']}" for part in value]
        elif isinstance(value, int) and (key.endswith("_at") or key == "version"):
            parts.append(f"{key}: {rfc3339(value)}")
        elif not isinstance(value, dict | list):
            parts.append(f"{key}: {value}")
        elif value and isinstance(value, list) and not isinstance(value[0], dict):
            parts.append(f"{key}: {', '.join(map(str, value))}")
    return "\n".join(parts) or name


def _table(records: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("Event", "Key", "Fact", "Content", show_lines=True)
    for data in records:
        cells = (
            data["type"],
            data.get("order_key") or data.get("pool") or data.get("target", ""),
            data.get("idempotency_key") or data.get("resource", ""),
            _summary(data["type"], data),
        )
        table.add_row(*(escape(str(cell)) for cell in cells))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def translate(
    channel: Annotated[str, typer.Argument(help="shopify, bol or threepl")],
    topic: Annotated[str, typer.Argument(help="As the channel names it: orders/create; orders, returns …")],
    file: Annotated[str, typer.Argument(help="A JSON body, a recorded HTTP answer, or - for stdin")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout")] = False,
    account: Annotated[str, typer.Option(help="The account it came from")] = ACCOUNT,
) -> None:
    """Print the canonical events of a payload, or a clear error naming the field (exit code 2)."""
    import json

    from connectors.protocols import TranslationError
    from ops import clock
    from ops.settings import Settings

    handler = CHANNELS.get(channel)
    if handler is None:
        raise UserError(f"CHANNEL: {channel!r} is none of {', '.join(CHANNELS)}")
    body = _read(file)
    now = clock.from_setting(Settings().clock)()
    try:
        result = handler(topic, body, account, now, TRACE)
    except TranslationError as e:
        raise UserError(f"{file}: {e}") from e
    records = [_plain(record) for record in (*result.orders, *result.pools, *result.refetch)]
    if as_json:
        typer.echo(json.dumps(records, ensure_ascii=False, indent=2))
    elif records:
        _table(records)
    else:
        typer.echo("No events: the payload says nothing that moves an order or stock.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("translate")(translate)
