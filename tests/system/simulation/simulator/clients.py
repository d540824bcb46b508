"""confluent-kafka's clients over the broker in memory: consumer, transactional producer, admin. As unkind as the real ones where it matters:

a poll may give one record or many; a partition just assigned can't be sought at once; a rebalance is learnt of inside a poll; what is
produced reaches the log some time before the commit; a commit may have happened although its caller died waiting for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, TopicPartition

from .broker import Broker, Member, Metadata, failure
from .kernel import Process
from .log import Entry
from .loop import Threads

__all__ = ["SimAdmin", "SimConsumer", "SimEvent", "SimMessage", "SimPort", "SimProducer"]

TP = tuple[str, int]


class SimMessage:
    """A consumed record, or (``error``) something else that a poll tells."""

    __slots__ = ("_entry", "_error", "_offset", "_tp")

    def __init__(self, tp: TP, entry: Entry | None, error: KafkaError | None = None, offset: int = -1) -> None:
        self._tp = tp
        self._entry = entry
        self._error = error
        self._offset = entry.offset if entry is not None else offset

    def topic(self) -> str:
        return self._tp[0]

    def partition(self) -> int:
        return self._tp[1]

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return None if self._entry is None else self._entry.key

    def value(self) -> bytes | None:
        return None if self._entry is None else self._entry.value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return (self._entry.headers or None) if self._entry is not None else None

    def timestamp(self) -> tuple[int, int]:
        return 1, self._entry.timestamp if self._entry is not None else 0

    def error(self) -> KafkaError | None:
        return self._error


class SimConsumer:
    """A consumer: of a group, or of partitions it was given."""

    def __init__(self, broker: Broker, process: Process, properties: Mapping[str, Any]) -> None:
        self._broker = broker
        self._process = process
        self._kernel = broker.kernel
        self._group = broker.group(str(properties["group.id"])) if "group.instance.id" in properties else None
        self._instance = str(properties.get("group.instance.id", ""))
        self._eof = bool(properties.get("enable.partition.eof"))
        self._topics: list[str] = []
        self._callbacks: dict[str, Callable[..., None] | None] = {}
        self._member: Member | None = None
        self._generation = -1
        self._positions: dict[TP, int] = {}
        self._paused: set[TP] = set()
        self._eofs: dict[TP, int] = {}
        self._warming: set[TP] = set()
        self._closed = False

    def subscribe(self, topics: list[str], on_assign: Any = None, on_revoke: Any = None, on_lost: Any = None) -> None:
        self._topics = list(topics)
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost or on_revoke}

    def consume(self, number: int, timeout: float) -> list[SimMessage]:
        """Up to ``number`` messages; waits for the first ones only as long as ``timeout``."""
        kernel = self._kernel
        if timeout:
            kernel.point(self._process, "before consume")
        if (fenced := self._follow_group()) is not None:
            return [fenced]
        if not self._has_news() and timeout:
            # Late as a busy machine is, and that spares steps.
            kernel.wait(self._process, self._heard(), timeout * (2 + 6 * kernel.random.random()))
            if (fenced := self._follow_group()) is not None:
                return [fenced]
        messages = self._fetch(number)
        if messages:
            kernel.note(self._process.name, "consumed", [(m.topic(), m.partition(), m.offset()) for m in messages])
            kernel.point(self._process, "after consume")
        return messages

    def _fetch(self, number: int) -> list[SimMessage]:
        """From the partitions in a random order, a random part of what there is."""
        found: list[SimMessage] = []
        tps = sorted(self._positions.keys() - self._paused)
        self._kernel.random.shuffle(tps)
        for tp in tps:
            left = number - len(found)
            if left <= 0:
                break
            p = self._broker.log.at(tp)
            entries, at = p.committed(self._positions[tp], min(left, 1 + self._kernel.random.randrange(12)))
            found += [SimMessage(tp, e) for e in entries]
            self._positions[tp] = at
            if self._eof and at >= p.stable and self._eofs.get(tp) != at and len(found) < number:
                self._eofs[tp] = at
                found.append(SimMessage(tp, None, KafkaError(KafkaError._PARTITION_EOF), at))
        return found

    def _heard(self) -> Callable[[], bool]:
        """Whether there is something for a poll; looks closely only when something changed at the broker."""
        seen = -1

        def heard() -> bool:
            nonlocal seen
            if seen == self._broker.log.version:
                return False
            seen = self._broker.log.version
            return self._has_news() or self._group_moved()

        return heard

    def _has_news(self) -> bool:
        for tp, at in self._positions.items():
            if tp not in self._paused:
                stable = self._broker.log.at(tp).stable
                if at < stable or (self._eof and self._eofs.get(tp) != at and at >= stable):
                    return True
        return False

    def _group_moved(self) -> bool:
        """Whether a poll has something to hear from the group."""
        group, member = self._group, self._member
        if group is None or not self._topics:
            return False
        if member is None or group.members.get(self._instance) is not member:
            return True
        if group.joining:
            return not member.joined
        return group.generation != self._generation

    def _follow_group(self) -> SimMessage | None:
        """What librdkafka does inside a poll: join, give up, take over. A message: this consumer was fenced."""
        group = self._group
        if group is None or not self._topics or self._closed or not self._group_moved():
            return None
        member = self._member
        current = group.members.get(self._instance)
        if member is not None and current is not None and current is not member:
            return SimMessage(("", -1), None, KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced", fatal=True))
        if member is None or current is None:
            if member is not None:
                self._give_up("lost")
            self._kernel.point(self._process, "before join")
            self._member = member = group.join(self._instance, self._process, self._topics)
            if group.joining:
                return None
        if group.joining:
            self._give_up("revoke")
            if group.members.get(self._instance) is member:
                member.joined = True
            return None
        self._take(member)
        return None

    def _give_up(self, how: str) -> None:
        if not self._positions:
            return
        callback = self._callbacks[how]
        gone = [TopicPartition(*tp) for tp in sorted(self._positions)]
        self._kernel.point(self._process, f"before {how}")
        if callback is not None:
            callback(self, gone)
        self.unassign()

    def _take(self, member: Member) -> None:
        assert self._group is not None
        if self._positions:
            self._give_up("revoke")
        self._generation = self._group.generation
        self._kernel.point(self._process, "before assign")
        callback = self._callbacks["assign"]
        given = [TopicPartition(*tp) for tp in member.assignment]
        if callback is not None:
            callback(self, given)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._positions = {(p.topic, p.partition): max(p.offset, 0) for p in partitions}
        self._paused.clear()
        self._eofs.clear()
        self._warming = {tp for tp in self._positions if self._kernel.random.random() < 0.2}

    def unassign(self) -> None:
        self.assign([])

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*tp, offset) for tp, offset in self._positions.items()]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self._paused |= {self._own(p) for p in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self._paused -= {self._own(p) for p in partitions}

    def seek(self, partition: TopicPartition) -> None:
        tp = self._own(partition)
        if tp in self._warming:
            self._warming.discard(tp)
            raise failure(KafkaError._STATE, "the fetcher is not up yet")
        self._positions[tp] = max(partition.offset, 0)

    def _own(self, p: TopicPartition) -> TP:
        tp = (p.topic, p.partition)
        if tp not in self._positions:
            raise failure(KafkaError._UNKNOWN_PARTITION, f"{tp} is not assigned")
        return tp

    def consumer_group_metadata(self) -> Metadata | None:
        if self._group is None or self._member is None:
            return None
        return Metadata(self._group.id, self._generation, self._member.number, self._instance)

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert self._group is not None
        group = self._group
        self._kernel.point(self._process, "before committed")
        tps = [(p.topic, p.partition) for p in partitions]
        if not self._kernel.wait(self._process, lambda: not any(group.pending.get(tp) for tp in tps), timeout):
            raise failure(KafkaError._TIMED_OUT, "unstable offsets")
        self._kernel.point(self._process, "after committed")
        return [TopicPartition(*tp, group.offsets.get(tp, OFFSET_INVALID)) for tp in tps]

    def commit(self, offsets: list[TopicPartition], asynchronous: bool = True) -> None:
        """A plain commit: of an asynchronous one nobody hears whether it worked."""
        self._kernel.point(self._process, "before offset commit")
        group, metadata = self._group, self.consumer_group_metadata()
        if group is None or metadata is None:
            return
        try:
            group.check(metadata)
        except Exception:
            if not asynchronous:
                raise
            return
        for p in offsets:
            group.offsets[p.topic, p.partition] = p.offset
        self._kernel.point(self._process, "after offset commit")

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int]:
        return 0, self._broker.log.at((partition.topic, partition.partition)).end

    def list_topics(self, timeout: float = 0) -> Any:
        return type("Cluster", (), {"cluster_id": "sim"})()

    def close(self) -> None:
        """A static member does not leave."""
        if self._process.dead or self._closed:
            return
        self._closed = True
        if self._positions and self._group is not None and self._topics:
            self._give_up("revoke")


class SimProducer:
    """A transactional producer. What is produced waits in the client and reaches the log at some point before the commit."""

    def __init__(self, broker: Broker, process: Process, properties: Mapping[str, Any]) -> None:
        self._broker = broker
        self._process = process
        self._kernel = broker.kernel
        self._name = str(properties["transactional.id"])
        self._epoch = -1
        self._queue: list[tuple[TP, bytes | None, bytes | None, list[tuple[str, bytes]]]] = []

    def init_transactions(self, timeout: float) -> None:
        kernel, transactions = self._kernel, self._broker.transactions
        kernel.point(self._process, "before init")
        self._epoch = transactions.epochs[self._name] = transactions.epochs.get(self._name, 0) + 1
        transactions.decide(self._name, "aborted")
        kernel.wait(self._process, lambda: not transactions.marking(self._name), timeout)
        kernel.point(self._process, "after init")

    def begin_transaction(self) -> None:
        self._kernel.point(self._process, "before begin")

    def produce(self, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: Any = None) -> None:
        """Only a part of the calls is a step boundary: there are many."""
        self._queue.append(((topic, self._broker.log.place(topic, key, partition)), key, value, headers or []))
        if self._kernel.random.random() < 0.15:
            self._kernel.point(self._process, "before produce")
            self._flush()
            self._kernel.point(self._process, "after produce")

    def poll(self, timeout: float) -> int:
        return 0

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], metadata: Metadata, timeout: float) -> None:
        self._kernel.point(self._process, "before send_offsets")
        self._flush()
        t = self._open()
        group, breakages = self._broker.groups[metadata.group], self._broker.breakages
        if not breakages.no_generation:
            group.check(metadata)
        if breakages.offsets_outside or breakages.no_transaction:
            group.offsets |= {(p.topic, p.partition): p.offset for p in offsets}
            self._kernel.point(self._process, "after send_offsets")
            return
        moved = t.groups.setdefault(metadata.group, {})
        for p in offsets:
            moved[p.topic, p.partition] = p.offset
            group.pending.setdefault((p.topic, p.partition), set()).add(t.number)
        self._kernel.point(self._process, "after send_offsets")

    def commit_transaction(self, timeout: float) -> None:
        self._kernel.point(self._process, "before commit")
        self._flush()
        self._broker.transactions.check(self._name, self._epoch)
        self._broker.transactions.decide(self._name, "committed")
        self._kernel.point(self._process, "after commit")

    def _open(self) -> Any:
        """The transaction at the coordinator; the last one's markers must be written first."""
        transactions = self._broker.transactions
        self._kernel.wait(self._process, lambda: not transactions.marking(self._name))
        transactions.check(self._name, self._epoch)
        return transactions.open(self._name)

    def _flush(self) -> None:
        if not self._queue:
            return
        t = self._open()
        for tp, key, value, headers in self._queue:
            if tp not in t.partitions:
                t.partitions.append(tp)
            number = 0 if self._broker.breakages.no_transaction else t.number
            self._broker.log.append(tp, key, value, headers, self._kernel.ms, number)
        self._kernel.note(self._process.name, "appended", t.number, [tp for tp, *_ in self._queue])
        self._queue = []


class SimAdmin:
    """The ends of partitions."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process

    def list_offsets(self, request: dict[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        self._broker.kernel.point(self._process, "before restore")
        answers = {}
        for tp in request:
            future: Future[Any] = Future()
            p = self._broker.log.at((tp.topic, tp.partition))
            end = p.stable if self._broker.breakages.stable_end else p.end
            future.set_result(type("Found", (), {"offset": end})())
            answers[tp] = future
        return answers


class SimPort:
    """The runtime's port (`streams.runtime.port`) for one process."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process

    def consumer(self, properties: Mapping[str, Any]) -> SimConsumer:
        return SimConsumer(self._broker, self._process, properties)

    def producer(self, properties: Mapping[str, Any]) -> SimProducer:
        return SimProducer(self._broker, self._process, properties)

    def admin(self, properties: Mapping[str, Any]) -> SimAdmin:
        return SimAdmin(self._broker, self._process)

    def threads(self, count: int, name: str) -> Threads:
        return Threads(self._process, count, name)

    def monotonic(self) -> float:
        return self._process.kernel.now

    def age(self, message: Any) -> float:
        """Its records are all of now: what waits is the scheduler's business."""
        return 0.0

    def spare_collector(self) -> None:
        """The simulation has its own."""


class SimEvent(threading.Event):
    """An event whose ``wait`` passes virtual time."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def wait(self, timeout: float | None = None) -> bool:
        return self._process.kernel.wait(self._process, self.is_set, timeout)
