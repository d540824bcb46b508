"""Other people's readers: confluent-kafka's deserializer, and a registry."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import msgspec
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from domain.records.commands import AllocationReleased
from domain.records.values import LineQty
from ops.errors import UserError
from ops.servers.registry import publish_schemas
from ops.settings import Settings
from schemas.catalogue import SCHEMA_IDS, SCHEMAS
from schemas.codec import decode, encode
from schemas.registry import RegistryConflict, register, subject

RECORD = AllocationReleased(
    "6f9a2c1e-4b7d-5e0f-8a3b-9c2d1e0f4a5b", "AllocationReleased", 1_763_906_788_000, "orders",
    "0af7651916cd43dd8448eb211c80319c", "main", "shopify:acme:1", "main/shopify:acme:1/1", [LineQty("1", "ÄÖ-1", 2)], "",
)  # fmt: skip


def mock_client() -> Any:
    """Confluent's own mock registry; it numbers the schemas as they come, so ids that we don't use are filled."""
    client = SchemaRegistryClient.new_client({"url": "mock://wharfinger"})
    names = {schema_id: name for name, schema_id in SCHEMA_IDS.items()}
    for schema_id in range(1, max(names) + 1):
        schema = (
            SCHEMAS[names[schema_id]]
            if schema_id in names
            else {"type": "fixed", "name": "Unused", "namespace": "x", "size": schema_id}
        )
        assert client.register_schema(subject(schema), Schema(json.dumps(schema), "AVRO")) == schema_id
    return client


def test_confluents_deserializer_reads_our_bytes() -> None:
    read = AvroDeserializer(mock_client(), conf={"subject.name.strategy": record_subject_name_strategy})
    context = SerializationContext("wharf.pools.in", MessageField.VALUE)
    assert read(encode(RECORD), context) == msgspec.to_builtins(RECORD)


def test_we_read_what_confluents_serializer_writes() -> None:
    conf = {"auto.register.schemas": False, "subject.name.strategy": record_subject_name_strategy}
    write = AvroSerializer(mock_client(), json.dumps(SCHEMAS["AllocationReleased"]), conf=conf)
    value = write(msgspec.to_builtins(RECORD), SerializationContext("wharf.pools.in", MessageField.VALUE))
    assert value == encode(RECORD)
    assert decode(value) == RECORD


class Registry:
    """A registry with the rules of Confluent's that matter here: an id is taken only in IMPORT mode, and only once."""

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.versions: dict[str, list[int]] = {}
        self.modes: dict[str, str] = {}
        self.mutable = True

    def handle(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if m := re.fullmatch(r"/schemas/ids/(\d+)", path):
            text = self.schemas.get(int(m[1]))
            return (200, {"schema": text}) if text else (404, {"error_code": 40403, "message": "Schema not found"})
        if m := re.fullmatch(r"/mode/([\w.]+)(\?force=true)?", path):
            return self.set_mode(m[1], body["mode"], bool(m[2]))
        if m := re.fullmatch(r"/subjects/([\w.]+)/versions", path):
            if method == "GET":
                return (200, self.versions[m[1]]) if m[1] in self.versions else (404, {"error_code": 40401})
            return self.take(m[1], body)
        return 404, {"error_code": 404}

    def set_mode(self, name: str, mode: str, force: bool) -> tuple[int, Any]:
        if not self.mutable:
            return 422, {"error_code": 42205, "message": "Mode changes are not allowed"}
        if mode == "IMPORT" and name in self.versions and not force:
            return 422, {"error_code": 42205, "message": "Cannot import since found existing subjects"}
        self.modes[name] = mode
        return 200, {"mode": mode}

    def take(self, name: str, body: Any) -> tuple[int, Any]:
        if self.modes.get(name) != "IMPORT":
            return 422, {"error_code": 42205, "message": f"Subject {name} is not in import mode"}
        if body["version"] in self.versions.get(name, []):
            return 409, {"error_code": 409, "message": "version exists"}
        self.schemas[body["id"]] = body["schema"]
        self.versions.setdefault(name, []).append(body["version"])
        return 200, {"id": body["id"]}


@pytest.fixture
def served() -> Iterator[tuple[Registry, httpx.Client]]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            n = int(self.headers.get("Content-Length") or 0)
            status, body = registry.handle(self.command, self.path, json.loads(self.rfile.read(n) or "null"))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
        yield registry, client
    server.shutdown()
    server.server_close()


def test_the_schemas_are_registered_under_our_ids_and_subjects(served: tuple[Registry, httpx.Client]) -> None:
    registry, client = served
    done = register(client.request)
    assert {r.schema_id for r in done} >= set(SCHEMA_IDS.values())
    assert all(r.created for r in done)
    assert json.loads(registry.schemas[SCHEMA_IDS["OrderUpserted"]]) == SCHEMAS["OrderUpserted"]
    assert registry.versions["wharfinger.Tick"] == [1]
    assert set(registry.modes.values()) == {"READWRITE"}


def test_registering_again_changes_nothing(served: tuple[Registry, httpx.Client]) -> None:
    registry, client = served
    register(client.request)
    before = dict(registry.versions)
    assert not any(r.created for r in register(client.request))
    assert registry.versions == before


def test_a_later_version_of_a_type_becomes_its_subjects_next_version(
    served: tuple[Registry, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemas import registry as module

    registry, client = served
    register(client.request)
    newer = {**SCHEMAS["Tick"], "fields": [*SCHEMAS["Tick"]["fields"], {"name": "n", "type": "long", "default": 0}]}
    monkeypatch.setitem(module.SCHEMAS, "Tick", newer)
    monkeypatch.setitem(module.SCHEMA_IDS, "Tick", 99)
    assert [r.schema_id for r in register(client.request) if r.created] == [99]
    assert registry.versions["wharfinger.Tick"] == [1, 2]


def test_an_id_that_another_schema_has_taken_is_named(served: tuple[Registry, httpx.Client]) -> None:
    registry, client = served
    registry.schemas[7] = json.dumps({"type": "string"})
    with pytest.raises(RegistryConflict, match=r"wharfinger.FulfilmentReported: .* another schema under id 7"):
        register(client.request)


def test_a_registry_that_refuses_the_import_is_named_with_the_way_out(served: tuple[Registry, httpx.Client]) -> None:
    registry, client = served
    registry.mutable = False
    with pytest.raises(RegistryConflict, match=r"set the mode IMPORT: 422 .*mode.mutability=true"):
        register(client.request)


def test_wharf_up_registers_them_where_a_registry_is_configured(served: tuple[Registry, httpx.Client]) -> None:
    registry, client = served
    publish_schemas(Settings(registry=str(client.base_url)))
    publish_schemas(Settings(registry=""))
    assert len(registry.schemas) >= len(SCHEMA_IDS)


def test_a_registry_that_does_not_answer_is_one_clear_error_without_the_password() -> None:
    with pytest.raises(
        UserError, match=r"WHARF_REGISTRY: http://127.0.0.1:1 does not answer as a schema registry"
    ) as e:
        publish_schemas(Settings(registry="http://user:secret@127.0.0.1:1"))
    assert "secret" not in str(e.value)
