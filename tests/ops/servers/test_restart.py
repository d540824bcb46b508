"""A start on existing data: what the broker says while it still loads is no reason to end, neither injected nor real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from connectors.protocols import Polled
from ops.errors import UserError
from ops.processes.poll_ledger import Ledger, read_cursors
from ops.rules.load import DEFAULTS, load
from ops.rules.publish import history, in_force, publish
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker with topics, rules and a poll cursor."""
    with EmbeddedKafka(tmp_path_factory.mktemp("restart")) as made:
        create_topics(made.bootstrap, 2)
        publish(made.bootstrap, {}, load(DEFAULTS), 1_000, "test")
        ledger = Ledger(made.bootstrap, "bol:acme:orders")
        ledger.open()
        ledger.commit(Polled([], [], b"cursor-7"))
        yield made


class Grudging:
    """A client whose named call fails with these errors first, one a client, as a broker says them that still loads."""

    def __init__(self, real: Any, call: str, errors: list[int]) -> None:
        self._real, self._call, self._errors = real, call, errors

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._refuse() if name == self._call and self._errors else found

    def _refuse(self) -> Callable[..., Any]:
        def refused(*args: Any, **kwargs: Any) -> Any:
            error = KafkaException(KafkaError(self._errors.pop(0)))
            if self._call == "list_topics":
                raise error
            return {
                getattr(asked, "topic", asked) if self._call == "create_topics" else asked: _failed(error)
                for asked in args[0]
            }

        return refused


def _failed(error: Exception) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


LOADING = [KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE]


def grudging(monkeypatch: pytest.MonkeyPatch, module: str, name: str, call: str, errors: list[int]) -> list[int]:
    """What is left of the errors is returned, to see that they were met."""
    real = {"AdminClient": AdminClient, "Consumer": Consumer}[name]
    monkeypatch.setattr(f"{module}.{name}", lambda *a, **k: Grudging(real(*a, **k), call, errors))
    return errors


@pytest.mark.parametrize("call", ["list_topics", "list_offsets"])
def test_rules_are_looked_up_through_a_broker_that_still_loads(
    server: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    left = grudging(monkeypatch, "ops.rules.publish", "AdminClient", call, list(LOADING))
    assert in_force(server.bootstrap, {}) is not None
    assert left == []


@pytest.mark.parametrize("call", ["list_topics", "describe_configs", "incremental_alter_configs", "create_topics"])
def test_topics_are_looked_after_through_a_broker_that_still_loads(
    server: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    from schemas.topics import Topic

    topics = [Topic(f"late-{call.replace('_', '-')}", "", bytes, {"retention.ms": "5000"})]
    if call != "create_topics":
        create_topics(server.bootstrap, 1, topics=topics)
        topics = [Topic(topics[0].name, "", bytes, {"retention.ms": "6000"})]
    left = grudging(monkeypatch, "ops.servers.topics", "AdminClient", call, list(LOADING))
    create_topics(server.bootstrap, 1, topics=topics)
    assert left == []


def test_a_cursor_is_not_taken_for_none_because_its_topic_has_no_leader_yet(
    server: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = grudging(monkeypatch, "ops.processes.poll_ledger", "Consumer", "list_topics", list(LOADING))
    assert read_cursors({"bootstrap.servers": server.bootstrap}) == {"bol:acme:orders": b"cursor-7"}
    assert left == []


def test_what_waiting_does_not_mend_is_told_with_the_topic(
    server: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    grudging(monkeypatch, "ops.rules.publish", "AdminClient", "list_offsets", [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(UserError, match=r"wharf\.rules"):
        history(server.bootstrap, {})


def test_every_start_after_a_kill_finds_topics_rules_and_cursors(server: EmbeddedKafka) -> None:
    for _ in range(3):
        server.kill()
        server.start()
        assert create_topics(server.bootstrap, 2) == []
        found = in_force(server.bootstrap, {})
        assert found is not None
        assert found[1] == load(DEFAULTS)
        assert read_cursors({"bootstrap.servers": server.bootstrap})["bol:acme:orders"] == b"cursor-7"
