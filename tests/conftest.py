"""Fixtures for every test. Real servers, one of each a session: give topics names of their own; `clickhouse` is a fresh database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

import tests.fuzz.profiles  # noqa: F401  # registered by the import
from ops.servers.clickhouse import Engine
from ops.servers.kafka import EmbeddedKafka

_numbers = itertools.count(1)

settings.load_profile("test")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of one embedded Kafka."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same for one module alone: for tests that make the product's own topics, whose number of partitions is theirs."""
    with EmbeddedKafka(tmp_path_factory.mktemp("own-kafka")) as server:
        yield server.bootstrap


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The one embedded ClickHouse of this process: chdb opens a single directory at a time."""
    engine = Engine(tmp_path_factory.mktemp("clickhouse"))
    yield engine
    engine.close()


@pytest.fixture
def clickhouse(engine: Engine) -> Iterator[Any]:
    """A clickhouse-connect client on an empty database of its own."""
    client = engine.client(f"test_{next(_numbers)}")
    yield client
    client.command(f"DROP DATABASE `{client.database}`")
    client.close()
