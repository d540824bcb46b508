from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from ops.errors import UserError
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.topics import TOPICS, Topic

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def own(home: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(home) as server:
        yield server


def _produce(bootstrap: str, topic: str, n: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "t"})
    producer.init_transactions()
    producer.begin_transaction()
    for i in range(n):
        producer.produce(topic, str(i).encode())
    producer.commit_transaction()


def _read(bootstrap: str, topic: str, n: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "r", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    got = [m.value() for m in consumer.consume(n, 10)]
    consumer.close()
    return got


def _config(bootstrap: str, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    (described,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {k: v.value for k, v in described.result(10).items()}


def test_data_port_and_transactions_outlive_a_clean_stop_and_a_kill(own: EmbeddedKafka) -> None:
    create_topics(own.bootstrap, 1, topics=[Topic("kept", "", bytes)])
    _produce(own.bootstrap, "kept", 3)
    before = own.bootstrap
    own.stop()
    assert own.pid is None
    own.start()
    assert own.bootstrap == before
    own.kill()
    own.start()
    assert _read(own.bootstrap, "kept", 3) == [b"0", b"1", b"2"]


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(own: EmbeddedKafka, home: Path) -> None:
    with pytest.raises(UserError, match=f"in use by Kafka of process {os.getpid()}"):
        EmbeddedKafka(home).start()
    assert own.pid


def test_every_topic_is_created_once_and_creating_again_changes_nothing(own_kafka: str) -> None:
    assert set(create_topics(own_kafka, 3)) == {t.name for t in TOPICS}
    assert create_topics(own_kafka, 3) == []
    topics = AdminClient({"bootstrap.servers": own_kafka}).list_topics(timeout=10).topics
    assert {t.name: len(topics[t.name].partitions) for t in TOPICS} == {t.name: t.partitions or 3 for t in TOPICS}
    assert _config(own_kafka, "wharf.rules")["cleanup.policy"] == "compact"


def test_a_changed_setting_is_brought_up_to_date_and_an_operators_own_stays(kafka: str) -> None:
    create_topics(kafka, 1, topics=[Topic("drift", "", bytes, {"retention.ms": "1000", "segment.bytes": "2000000"})])
    assert create_topics(kafka, 1, topics=[Topic("drift", "", bytes, {"retention.ms": "2000"})]) == []
    config = _config(kafka, "drift")
    assert (config["retention.ms"], config["segment.bytes"]) == ("2000", "2000000")


def test_another_number_of_partitions_is_refused_with_the_way_out(kafka: str) -> None:
    create_topics(kafka, 2, topics=[Topic("counted", "", bytes)])
    with pytest.raises(UserError, match="topic counted has 2 partitions, not 5: set WHARF_PARTITIONS=2"):
        create_topics(kafka, 5, topics=[Topic("counted", "", bytes)])


def test_missing_jars_are_named_with_the_way_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make setup"):
        EmbeddedKafka(tmp_path, lib=tmp_path / "nowhere").start()


def test_missing_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UserError, match="java is missing"):
        EmbeddedKafka(tmp_path).start()


def test_a_taken_port_is_replaced_by_another(tmp_path: Path, own: EmbeddedKafka) -> None:
    (tmp_path / "kafka").mkdir()
    taken = own.bootstrap.rpartition(":")[2]
    (tmp_path / "kafka" / "port").write_text(taken)
    with EmbeddedKafka(tmp_path) as other:
        assert other.bootstrap.rpartition(":")[2] != taken


def test_kill_9_of_the_owner_ends_the_broker_and_the_next_start_works(tmp_path: Path) -> None:
    code = (
        "import sys,time; from pathlib import Path; from ops.servers.kafka import EmbeddedKafka\n"
        "k = EmbeddedKafka(Path(sys.argv[1])); k.start(); print(k.pid, flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    broker = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with EmbeddedKafka(tmp_path):  # waits for the orphan, which holds the lock
        assert not psutil.pid_exists(broker) or psutil.Process(broker).status() == psutil.STATUS_ZOMBIE
    deadline = time.monotonic() + 60
    while psutil.pid_exists(broker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(broker) or psutil.Process(broker).status() == psutil.STATUS_ZOMBIE
