"""Fixtures for every test. `kafka` is one real broker a session: give your topics names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ops.embedded.kafka import EmbeddedKafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of one embedded Kafka."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap
