"""Why a worker process ends. None of these is swallowed: the process exits non-zero, its supervisor starts a new one, and that one
restores its tables. Nothing that was not committed has been seen by anyone.
"""

from __future__ import annotations

from schemas.patience import passing

__all__ = [
    "AgentFailed",
    "AgentStuck",
    "Fenced",
    "KafkaFailed",
    "LogDamaged",
    "RuntimeFailed",
    "StateLost",
    "TopicsUnfit",
    "TransactionFailed",
    "passing",
]


class RuntimeFailed(Exception):
    """The worker can't go on."""


class TransactionFailed(RuntimeFailed):
    """A transaction call failed. Its cycle is undone by the broker and folded again by the next process."""


class Fenced(TransactionFailed):
    """Another process took this one's place: a worker with the same group and slot, or the group moved its partitions on."""


class KafkaFailed(RuntimeFailed):
    """The consumer met an error that it can't mend by itself."""


class TopicsUnfit(RuntimeFailed):
    """A topic is not there, or a table has another number of partitions than its input."""


class StateLost(RuntimeFailed):
    """A table's changelog does not hold what the group's offsets say it must. Going on would lose stock in silence."""


class LogDamaged(StateLost):
    """Records of an input or a changelog can't be read, or are gone, before they were worked."""


class AgentFailed(RuntimeFailed):
    """An agent raised again and again, with nothing committed in between."""


class AgentStuck(RuntimeFailed):
    """An agent did not finish its batch in time, or is not running."""
