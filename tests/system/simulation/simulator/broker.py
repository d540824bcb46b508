"""The broker's coordinators: of transactions (epochs, time-outs, markers) and of consumer groups (generations, static members, fencing)."""

from __future__ import annotations

from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from .breakages import Breakages
from .kernel import Actor, Kernel, Process
from .log import Log, Transaction

__all__ = ["Broker", "Group", "Member", "Metadata", "failure"]

TP = tuple[str, int]
TRANSACTION_SECONDS = 10.0


def failure(code: int, text: str, **flags: bool) -> KafkaException:
    """What confluent-kafka raises."""
    return KafkaException(KafkaError(code, text, **flags))


@dataclass(frozen=True)
class Metadata:
    """A consumer's group metadata (KIP-447)."""

    group: str
    generation: int
    member: int
    instance: str


@dataclass
class Member:
    """A static member: ``number`` changes with each process that joins under its instance name."""

    instance: str
    number: int
    process: Process
    topics: list[str]
    joined: bool = True
    assignment: list[TP] = field(default_factory=list)


class Group(Actor):
    """A consumer group with the classic, eager protocol."""

    def __init__(self, name: str, kernel: Kernel, log: Log, session_seconds: float) -> None:
        self.name = f"group {name}"
        self.id = name
        self.generation = 0
        self.joining = False
        self.members: dict[str, Member] = {}
        self.offsets: dict[TP, int] = {}
        self.pending: dict[TP, set[int]] = {}
        self.rebalances = 0
        self._kernel = kernel
        self._log = log
        self._session = session_seconds
        self._numbers = 0

    def due(self) -> float | None:
        if self.joining and self.members and all(m.joined for m in self.members.values()):
            return 0.0
        silent = [m.process.silent_since for m in self.members.values() if m.process.silent_since is not None]
        return min(silent) + self._session if silent else None

    def step(self) -> None:
        late = [
            k
            for k, m in self.members.items()
            if m.process.silent_since is not None and m.process.silent_since + self._session <= self._kernel.now
        ]
        if late:
            for k in late:
                del self.members[k]
            self._begin()
        elif self.joining:
            self._assign()

    def join(self, instance: str, process: Process, topics: list[str]) -> Member:
        """A process joins. A known instance takes its predecessor's place, without a rebalance where the group is at rest."""
        self._numbers += 1
        self._log.version += 1
        known = self.members.get(instance)
        member = Member(instance, self._numbers, process, topics)
        self.members[instance] = member
        if known is not None and not self.joining:
            member.assignment = known.assignment
        else:
            self._begin()
            member.joined = True
        return member

    def check(self, m: Metadata) -> None:
        """Raise where an offset commit must not count."""
        member = self.members.get(m.instance)
        if member is None:
            raise failure(KafkaError.UNKNOWN_MEMBER_ID, "unknown member", txn_requires_abort=True)
        if member.number != m.member:
            raise failure(KafkaError.FENCED_INSTANCE_ID, "fenced instance", fatal=True)
        if self.generation != m.generation:
            raise failure(KafkaError.ILLEGAL_GENERATION, "illegal generation", txn_requires_abort=True)

    def _begin(self) -> None:
        self.joining = True
        self._log.version += 1
        for m in self.members.values():
            m.joined = False

    def _assign(self) -> None:
        """The range assignor: per topic, members in the order of their names get neighbouring partitions."""
        self.joining = False
        self.generation += 1
        self._log.version += 1
        self.rebalances += 1
        members = [self.members[k] for k in sorted(self.members)]
        for m in members:
            m.assignment = []
        for topic in sorted({t for m in members for t in m.topics}):
            count, n = len(self._log.topics[topic]), len(members)
            begin = 0
            for i, m in enumerate(members):
                size = count // n + (i < count % n)
                m.assignment += [(topic, p) for p in range(begin, begin + size)]
                begin += size
        self._kernel.note(self.name, self.generation, [(m.instance, m.assignment) for m in members])


class Transactions(Actor):
    """The transaction coordinator: one state per ``transactional.id``."""

    name = "transactions"

    def __init__(self, kernel: Kernel, log: Log, groups: dict[str, Group]) -> None:
        self._kernel = kernel
        self._log = log
        self._groups = groups
        self._numbers = 0
        self.slow = 0.0
        self.epochs: dict[str, int] = {}
        self.current: dict[str, Transaction] = {}
        self._to_mark: list[tuple[float, str, Transaction, object]] = []

    def due(self) -> float | None:
        if self._to_mark:
            return min(m[0] for m in self._to_mark)
        began = [t.began for t in self.current.values() if t.state == "open"]
        return min(began) + TRANSACTION_SECONDS if began else None

    def step(self) -> None:
        ready = [m for m in self._to_mark if m[0] <= self._kernel.now]
        if ready:
            todo = ready[self._kernel.random.randrange(len(ready))]
            self._to_mark.remove(todo)
            self._mark(*todo[2:])
            return
        for name, t in list(self.current.items()):
            if t.state == "open" and t.began + TRANSACTION_SECONDS <= self._kernel.now:
                self.epochs[name] += 1  # whoever had it is fenced
                self.decide(name, "aborted")

    def marking(self, name: str) -> bool:
        """Whether the last transaction's markers are still being written."""
        return any(m[1] == name for m in self._to_mark)

    def check(self, name: str, epoch: int) -> None:
        """Raise for a producer that was fenced."""
        if self.epochs.get(name) != epoch:
            raise failure(KafkaError._FENCED, "producer fenced", fatal=True)

    def open(self, name: str) -> Transaction:
        """The open transaction, begun if there is none."""
        t = self.current.get(name)
        if t is None or t.state != "open":
            self._numbers += 1
            t = self.current[name] = Transaction(self._numbers, self._kernel.now)
        return t

    def decide(self, name: str, state: str) -> None:
        """Commit or abort: from here on it can't be undone, though nobody sees it yet."""
        t = self.current.pop(name, None)
        if t is None:
            return
        t.state = state
        self._kernel.note("decided", name, t.number, state)
        self._to_mark += [(self._soon(), name, t, where) for where in (*t.partitions, *t.groups)]

    def _soon(self) -> float:
        """When a partition gets its marker: at once, or now and then late, when its leader is busy."""
        r = self._kernel.random
        return self._kernel.now + (r.random() * 1.5 if r.random() < self.slow else 0.0)

    def _mark(self, t: Transaction, where: object) -> None:
        if isinstance(where, tuple):
            self._log.mark(where, t, self._kernel.ms)
            return
        group = self._groups[str(where)]
        for tp, offset in t.groups[str(where)].items():
            group.pending[tp].discard(t.number)
            if t.state == "committed":
                group.offsets[tp] = offset


class Broker:
    """Log and coordinators."""

    def __init__(self, kernel: Kernel, breakages: Breakages, session_seconds: float = 6.0) -> None:
        self.kernel = kernel
        self.breakages = breakages
        self.log = Log()
        self.groups: dict[str, Group] = {}
        self.transactions = Transactions(kernel, self.log, self.groups)
        self._session = session_seconds
        kernel.actors.append(self.transactions)

    def group(self, name: str) -> Group:
        if name not in self.groups:
            self.groups[name] = Group(name, self.kernel, self.log, self._session)
            self.kernel.actors.append(self.groups[name])
        return self.groups[name]
