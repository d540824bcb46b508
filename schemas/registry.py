"""Registers our schemas, under our ids, at a Confluent-compatible schema registry (Confluent, Karapace, Redpanda), where one is configured.

Several types share a topic, so the subject is the record's full name (RecordNameStrategy): ``wharfinger.OrderUpserted``. A registry
takes foreign ids only in IMPORT mode, which it allows on an empty subject; each subject is put back to READWRITE at the end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from .catalogue import RELEASED, SCHEMA_IDS, SCHEMAS

__all__ = ["Registration", "RegistryConflict", "Request", "Response", "register", "subject"]


class RegistryConflict(ValueError):
    """The registry holds another schema under one of our ids, or refuses the import; the message names the subject and the way out."""


class Response(Protocol):
    """What of an HTTP answer is used (httpx.Response has it)."""

    status_code: int

    @property
    def text(self) -> str:
        """Return the answer's body as text."""
        ...

    def json(self) -> Any:
        """Return the answer's body, parsed from JSON."""
        ...


class Request(Protocol):
    """One HTTP request to the registry, e.g. ``httpx.Client(base_url=url).request``."""

    def __call__(self, method: str, url: str, *, json: Any = None) -> Response:
        """The answer, whatever its status."""
        ...


@dataclass(frozen=True, slots=True)
class Registration:
    """One schema of ours at the registry; ``created`` is false where it was there already."""

    subject: str
    schema_id: int
    created: bool


def subject(schema: Any) -> str:
    """The subject of a schema: its full name."""
    return f"{schema['namespace']}.{schema['name']}"


def register(request: Request) -> list[Registration]:
    """Register every released and present schema in the order of their ids. Doing it again changes nothing.

    Raises RegistryConflict; httpx errors come through.
    """
    schemas = {**RELEASED, **{SCHEMA_IDS[name]: schema for name, schema in SCHEMAS.items()}}
    return [_register_one(request, schemas[schema_id], schema_id) for schema_id in sorted(schemas)]


def _register_one(request: Request, schema: Any, schema_id: int) -> Registration:
    name = subject(schema)
    there = request("GET", f"/schemas/ids/{schema_id}")
    if there.status_code == 200:
        if json.loads(there.json()["schema"]) != schema:
            raise RegistryConflict(
                f"{name}: the registry has another schema under id {schema_id}: use a registry (or context) of Wharfinger's own"
            )
        return Registration(name, schema_id, created=False)
    _expect(request("PUT", f"/mode/{name}?force=true", json={"mode": "IMPORT"}), name, "set the mode IMPORT")
    body = {"schemaType": "AVRO", "schema": json.dumps(schema), "id": schema_id, "version": _version(request, name)}
    answer = request("POST", f"/subjects/{name}/versions", json=body)
    back = request("PUT", f"/mode/{name}", json={"mode": "READWRITE"})  # also where it refused
    _expect(answer, name, f"register the id {schema_id}")
    _expect(back, name, "set the mode READWRITE")
    if answer.json()["id"] != schema_id:
        raise RegistryConflict(f"{name}: asked for id {schema_id}, the registry gave {answer.json()['id']}")
    return Registration(name, schema_id, created=True)


def _version(request: Request, name: str) -> int:
    versions = request("GET", f"/subjects/{name}/versions")
    return 1 + max(versions.json(), default=0) if versions.status_code == 200 else 1


def _expect(answer: Response, name: str, what: str) -> None:
    if answer.status_code >= 300:
        raise RegistryConflict(
            f"{name}: the registry refused to {what}: {answer.status_code} {answer.text[:200]}; "
            "it must run with mode.mutability=true and its user may need the right to change modes"
        )
