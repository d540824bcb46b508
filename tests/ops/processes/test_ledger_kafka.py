"""What a poll brings is in Kafka whole or not at all, with its cursor, whatever is killed when."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from connectors.protocols import Polled, Translation, TranslationError
from domain.records.commands import OrderCancelled, StockReported
from domain.records.effects import ChannelRefetch
from domain.records.raw_delivery import RawDelivery
from ops.processes.poll_ledger import Ledger, TakenOver, read_cursors, records
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.codec import decode
from schemas.topics import CURSORS, DLQ, EFFECTS, ORDERS_IN, POOLS_IN, RAW

NOW = 1_763_906_788_000
TRACE = "0af7651916cd43dd8448eb211c80319c"


def raw(n: int, body: bytes = b'{"id":1}') -> RawDelivery:
    return RawDelivery(
        f"raw-{n}", "RawDelivery", NOW, "bol:acme/poll", TRACE, "bol", "acme", "orders", f"d{n}", "poll", {}, body
    )


def polled(n: int, cursor: bytes | None = None) -> Polled:
    key = f"bol:acme:{n}"
    cancel = OrderCancelled(f"c{n}", "OrderCancelled", NOW, "bol", TRACE, key, "cancel@1", "", "h", NOW, "customer", [])
    stock = StockReported(f"s{n}", "StockReported", NOW, "bol", TRACE, "main", "k", "COUNT", "d", "A", "new", 3, "")
    fetch = ChannelRefetch(f"f{n}", "ChannelRefetch", NOW, "bol", TRACE, key, "bol:acme", "order", str(n))
    good = Translation(orders=[cancel], pools=[stock], refetch=[fetch])
    bad = TranslationError("orderItems[0].quantity", "expected a whole number")
    return Polled([raw(n), raw(-n, b"bad")], [good, bad], cursor)


def test_one_answer_becomes_its_raw_deliveries_facts_dead_letters_and_cursor() -> None:
    found = records("bol:acme:orders", polled(7, b"cursor"))
    topics = [RAW, ORDERS_IN, POOLS_IN, EFFECTS, RAW, DLQ, CURSORS]
    assert [r.topic for r in found] == [t.name for t in topics]
    assert [r.key for r in found] == [
        b"bol:acme:d7", b"bol:acme:7", b"main", b"bol:acme:7", b"bol:acme:d-7", b"bol:acme:d-7", b"bol:acme:orders",
    ]  # fmt: skip
    assert decode(found[0].value) == raw(7)
    letter = dict(found[5].headers)
    assert found[5].value == b"bad"
    assert letter["wharf.error.field"] == b"orderItems[0].quantity"
    assert b"expected a whole number" in letter["__connect.errors.exception.message"]
    assert found[6].value == b"cursor"


def test_deliveries_and_translations_that_do_not_pair_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        records("x:y:z", Polled([raw(1)], []))


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of its own: the topics' names are fixed."""
    with EmbeddedKafka(tmp_path_factory.mktemp("poll")) as server:
        create_topics(server.bootstrap, 1)
        yield server.bootstrap


@pytest.fixture
def name() -> str:
    return f"bol:{uuid.uuid4().hex[:8]}:orders"


def committed(bootstrap: str, topic: str) -> list[Any]:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    try:
        reader.assign([TopicPartition(topic, 0, 0)])
        found = []
        while (message := reader.poll(10)) is not None and message.error() is None:
            found.append(message)
        return found
    finally:
        reader.close()


def seen(bootstrap: str) -> Counter[str]:
    return Counter({t.name: len(committed(bootstrap, t.name)) for t in (RAW, ORDERS_IN, POOLS_IN, EFFECTS, DLQ)})


@pytest.mark.kafka
def test_cursors_are_read_back_the_last_of_each_feed(bootstrap: str, name: str) -> None:
    first = Ledger(bootstrap, name)
    first.open()
    assert first.cursor is None
    for n in (1, 2, 3):
        first.commit(polled(n, f"c{n}".encode()))
    again = Ledger(bootstrap, name)
    again.open()
    assert again.cursor == b"c3"
    assert read_cursors({"bootstrap.servers": bootstrap})[name] == b"c3"


@pytest.mark.kafka
def test_a_page_without_a_new_cursor_leaves_the_old_one(bootstrap: str, name: str) -> None:
    ledger = Ledger(bootstrap, name)
    ledger.open()
    ledger.commit(polled(1, b"c1"))
    before = len(committed(bootstrap, CURSORS.name))
    assert ledger.commit(polled(2)) == {"raw": 2, "orders": 1, "pools": 1, "refetch": 1, "dead": 1}
    assert ledger.commit(Polled([], [], b"c1")) == {}
    assert len(committed(bootstrap, CURSORS.name)) == before
    assert ledger.cursor == b"c1"


@pytest.mark.kafka
def test_a_second_process_fences_the_first_on_that_feed_alone(bootstrap: str, name: str) -> None:
    first, other = Ledger(bootstrap, name), Ledger(bootstrap, f"{name}-returns")
    first.open()
    other.open()
    first.commit(polled(1, b"c1"))
    second = Ledger(bootstrap, name)
    second.open()
    before = seen(bootstrap)
    with pytest.raises(TakenOver, match="another process polls this feed now"):
        first.commit(polled(2, b"c2"))
    assert seen(bootstrap) == before
    assert second.cursor == b"c1"
    second.commit(polled(2, b"c2"))
    other.commit(polled(3, b"c3"))


CRASH = """
    import os, sys
    sys.path.insert(0, {here!r})
    from test_ledger_kafka import polled
    from ops.processes.poll_ledger import Ledger, records

    ledger = Ledger({bootstrap!r}, {name!r})
    ledger.open()
    ledger.commit(polled(1, b"c1"))
    ledger._producer.begin_transaction()
    for record in records({name!r}, polled(2, b"c2")):
        ledger._produce(record)
    ledger._producer.flush(10)
    os._exit(9)
"""


@pytest.mark.kafka
def test_a_crash_before_the_commit_leaves_nothing_and_the_next_process_goes_on(bootstrap: str, name: str) -> None:
    before = seen(bootstrap)
    here = str(__import__("pathlib").Path(__file__).parent)
    code = textwrap.dedent(CRASH).format(here=here, bootstrap=bootstrap, name=name)
    crashed = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True)
    assert crashed.returncode == 9, crashed.stderr.decode()
    ledger = Ledger(bootstrap, name)
    ledger.open()
    assert ledger.cursor == b"c1"
    one = Counter({RAW.name: 2, ORDERS_IN.name: 1, POOLS_IN.name: 1, EFFECTS.name: 1, DLQ.name: 1})
    assert seen(bootstrap) - before == one, "the first page is there, nothing of the second"
    ledger.commit(polled(2, b"c2"))
    assert seen(bootstrap) - before == one + one, "each once"
    assert read_cursors({"bootstrap.servers": bootstrap})[name] == b"c2"
