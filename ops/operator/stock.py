"""Stock into a pool, from a table of rows: what ``wharf stock report`` and the demo do."""

from __future__ import annotations

import csv
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from connectors.yaml import YamlError, read_text
from domain.records.commands import StockReported
from domain.records.record import uuid5
from ops.errors import UserError
from ops.yaml.formats import closest

__all__ = ["KINDS", "StockRow", "check_depots", "read_csv", "report"]

KINDS = {"count": "COUNT", "receipt": "RECEIPT", "correction": "CORRECTION", "restock": "RESTOCK"}
COLUMNS = ("pool", "depot", "sku", "qty", "quality")
SECONDS = 60.0
MAX_NAME = 100
MAX_BYTES = 50_000_000


class StockRow(msgspec.Struct, frozen=True):
    """Units of a SKU at a depot; ``qty`` may be negative in a correction only."""

    pool: str
    depot: str
    sku: str
    qty: int
    quality: str = "new"


def read_csv(path: Path, kind: str, default_pool: str) -> list[StockRow]:
    """The rows of a CSV file with a head line: ``depot,sku,qty`` and, if wanted, ``pool`` and ``quality`` (``,`` or ``;``).

    Raises UserError with every wrong line; none is taken then.
    """
    try:
        text = read_text(path, MAX_BYTES)
    except YamlError as e:
        raise UserError(e.text(str(path))) from e
    except OSError as e:
        raise UserError(f"{path}: {e.strerror or e}") from e
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(text.split("\n"), delimiter=";" if ";" in head else ",", strict=True)
    names = [(name or "").strip().lower() for name in reader.fieldnames or []]
    reader.fieldnames = names
    wrong = [f"unknown column {name!r}" for name in names if name not in COLUMNS]
    wrong += [f"column {name} is missing" for name in ("depot", "sku", "qty") if name not in names]
    if wrong:
        raise UserError(
            f"{path}:1: {'; '.join(wrong)}; the columns are {', '.join(COLUMNS)} (pool and quality may be left out)"
        )
    return _rows(path, reader, kind, default_pool)


def check_depots(path: Path, rows: Sequence[StockRow], known: Sequence[str]) -> None:
    """Refuse rows of depots that the rules in force don't have: their stock would be sold by nobody. Raises UserError."""
    wrong = sorted({row.depot for row in rows} - set(known))
    if wrong:
        hints = [
            f"{path}: no depot {name!r} in the rules in force; {closest(name, list(known)) or _depots(known)}"
            for name in wrong
        ]
        raise UserError(
            "\n".join([*hints[:20], "nothing was taken: mend the file, or publish rules with that depot first"])
        )


def _depots(known: Sequence[str]) -> str:
    return f"there are {', '.join(known)}" if known else "they have none"


def _rows(path: Path, reader: csv.DictReader[str], kind: str, default_pool: str) -> list[StockRow]:
    rows: list[StockRow] = []
    errors: list[str] = []
    seen: dict[tuple[str, str, str, str], int] = {}
    try:
        for cells in reader:
            row = _row(cells, kind, default_pool)
            key = (row.pool, row.depot, row.sku, row.quality) if isinstance(row, StockRow) else None
            if isinstance(row, str):
                errors.append(f"{path}:{reader.line_num}: {row}")
            elif kind == "count" and key in seen:
                errors.append(
                    f"{path}:{reader.line_num}: {row.sku} at {row.depot} was counted in line {seen[key]} already"
                )
            else:
                rows.append(row)
                seen.setdefault(key, reader.line_num)  # type: ignore[arg-type]  # not None: the row is one
    except csv.Error as e:
        errors.append(f"{path}:{reader.line_num}: {e}")
    if errors:
        more = [f"… and {len(errors) - 20} more"] if len(errors) > 20 else []
        raise UserError("\n".join([f"{path} has {len(errors)} wrong line(s), nothing was taken:", *errors[:20], *more]))
    if not rows:
        raise UserError(f"{path}: no rows")
    return rows


def _row(cells: Mapping[str | None, str | None], kind: str, default_pool: str) -> StockRow | str:
    """A row, or what is wrong with it."""
    if None in cells:
        return "more cells than columns"
    values = {str(k): (v or "").strip() for k, v in cells.items()}
    values["pool"] = values.get("pool") or default_pool
    values["quality"] = values.get("quality") or "new"
    if wrong := _wrong(values, kind):
        return wrong
    return StockRow(values["pool"], values["depot"], values["sku"], int(values["qty"]), values["quality"])


def _wrong(values: Mapping[str, str], kind: str) -> str:
    """What is wrong with a row's cells, ``""``: nothing."""
    for name in ("pool", "depot", "sku", "quality"):
        if wrong := _wrong_name(values[name]):
            return f"{name} {wrong}"
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", values["qty"]):
        return f"qty {values['qty'][:40]!r} is not a whole number"
    if values["qty"].startswith("-") and kind != "correction":
        return f"qty {values['qty']} is negative: only a correction may be"
    good = re.fullmatch(r"[a-z0-9-]+", values["pool"])
    return "" if good else f"pool {values['pool']!r} is not small letters, digits and '-'"


def _wrong_name(value: str) -> str:
    """What is wrong with a name in a cell, ``""``: nothing."""
    if not value:
        return "is empty"
    if len(value) > MAX_NAME:
        return f"{value[:20]!r}… has {len(value)} characters, more than {MAX_NAME}"
    if not value.isprintable():
        return f"{value!r} holds a character that can't be seen"
    return f"{value!r} begins with {value[0]!r}" if value[0] in "=+-@" else ""  # a spreadsheet would run it


def report(
    bootstrap: str,
    kafka_config: Mapping[str, str],
    rows: Sequence[StockRow],
    kind: str,
    *,
    now: int,
    source: str,
    reference: str = "",
    done: Callable[[int], None] = lambda number: None,
) -> str:
    """Write rows to ``wharf.pools.in`` in one Kafka transaction: all or none. Gives the reference.

    ``kind`` is one of KINDS; ``now``: UTC ms; ``reference`` names the report (default: made of its content): the same reference
    counts once, however often it is sent within 14 days. ``done`` is told how many rows are written. Raises UserError.
    """
    from confluent_kafka import KafkaException, Producer

    from schemas.codec import encode
    from schemas.headers import headers
    from schemas.topics import POOLS_IN

    reference = reference or _content(rows, kind)
    producer = Producer(
        {
            **kafka_config,
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "transactional.id": f"wharf-stock-{secrets.token_hex(4)}",  # reports don't fence each other
        }
    )
    try:
        producer.init_transactions(SECONDS)
        producer.begin_transaction()
        for number, record in enumerate(_records(rows, kind, now, source, reference), 1):
            while not _produce(producer, POOLS_IN.name, record.pool, encode(record), headers(record)):
                producer.poll(0.1)
            if number % 1000 == 0 or number == len(rows):
                done(number)
        producer.commit_transaction(SECONDS)
    except KafkaException as e:
        raise UserError(f"the stock was not written, nothing changed: {e.args[0].str()}; try again") from e
    return reference


def _produce(producer: object, topic: str, pool: str, value: bytes, head: list[tuple[str, bytes]]) -> bool:
    try:
        producer.produce(topic, value, pool.encode(), headers=head)  # type: ignore[attr-defined]
    except BufferError:
        return False
    return True


def _content(rows: Sequence[StockRow], kind: str) -> str:
    return f"{kind}-{hashlib.sha256(msgspec.json.encode([kind, rows])).hexdigest()[:16]}"


def _records(rows: Iterable[StockRow], kind: str, now: int, source: str, reference: str) -> Iterable[StockReported]:
    trace = hashlib.sha256(reference.encode()).hexdigest()[:32]
    for number, row in enumerate(rows, 1):
        key = f"stock/{reference}/{number}"
        event_id = uuid5(f"stock:{row.pool}:{reference}", number, "StockReported")
        yield StockReported(
            event_id,
            "StockReported",
            now,
            source,
            trace,
            row.pool,
            key,
            KINDS[kind],
            row.depot,
            row.sku,
            row.quality,
            row.qty,
            reference,
        )
