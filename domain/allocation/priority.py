"""Who comes first: classes of demand, and the order in which backorders are served."""

from __future__ import annotations

from collections.abc import Callable

from domain.rules.conditions import ConditionFailed
from domain.rules.ruleset import PriorityClass

__all__ = ["MAX_RANK", "after_class", "queue_key", "rank", "split_queue_key"]

MAX_RANK = 99
"""Ranks are two digits in queue keys; classes beyond are served with the last."""

_HOUR = 3_600_000


def _no_conditions(priority_class: PriorityClass) -> bool:
    raise ConditionFailed(f"the condition of {priority_class.name} is not asked here")


def rank(
    classes: list[PriorityClass],
    *,
    tags: list[str],
    service: str,
    channel: str,
    latest_delivery: int | None,
    now: int,
    holds: Callable[[PriorityClass], bool] = _no_conditions,
) -> tuple[int, str]:
    """The rank (0 first) and name of the first class that matches; ``other``, after all of them, where none does.

    ``holds`` judges a class's condition, where it has one.
    """
    for i, priority_class in enumerate(classes):
        if priority_class.tags_any and not any(tag in priority_class.tags_any for tag in tags):
            continue
        if (priority_class.services and service not in priority_class.services) or (
            priority_class.channels and channel not in priority_class.channels
        ):
            continue
        due = not priority_class.due_within_hours or _due(latest_delivery, now, priority_class.due_within_hours)
        if due and (not priority_class.when or holds(priority_class)):
            return min(i, MAX_RANK), priority_class.name
    return min(len(classes), MAX_RANK), "other"


def _due(latest_delivery: int | None, now: int, hours: int) -> bool:
    return latest_delivery is not None and latest_delivery - now <= hours * _HOUR


def queue_key(rank: int, placed_at: int, arrived: int, request: tuple[str, int]) -> str:
    """Sorts as backorders are served: by class, then age (``placed_at``), then arrival (channels round to seconds)."""
    return f"{rank:02d}/{max(placed_at, 0):013d}/{arrived:012d}/{request[0]}/{request[1]}"


def after_class(rank: int) -> str:
    """Sorts after every backorder of this class and before those of the next: where a new order of the class would stand."""
    return f"{rank:02d}/~"


def split_queue_key(key: str) -> tuple[int, str, int]:
    """Rank, order key and request number of a queue key (an order key has no ``/``)."""
    text, _, _, order_key, no = key.split("/")
    return int(text), order_key, int(no)
