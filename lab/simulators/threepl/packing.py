"""The packing table: pick orders of one group meet here and leave as one parcel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lab.simulators.timeline import Timeline

from .pick_order import PickOrder

__all__ = ["PATIENCE_MINUTES", "PackingTable"]

PATIENCE_MINUTES = 180
"""So long those that are packed wait for the others; a pick order that comes later leaves in a parcel of its own."""


@dataclass(slots=True)
class _Group:
    size: int
    known: set[str] = field(default_factory=set)
    under_way: set[str] = field(default_factory=set)
    packed: list[PickOrder] = field(default_factory=list)
    left: bool = False


class PackingTable:
    """``leave`` is called once a parcel with the pick orders in it, those without a group one by one."""

    def __init__(self, timeline: Timeline, leave: Callable[[list[PickOrder]], None]) -> None:
        self._timeline = timeline
        self._leave = leave
        self._groups: dict[str, _Group] = {}

    def expect(self, reference: str, group_id: str, size: int) -> None:
        """A pick order came."""
        if group_id:
            group = self._groups.setdefault(group_id, _Group(size))
            group.known.add(reference)
            group.under_way.add(reference)

    def gone(self, reference: str, group_id: str) -> None:
        """It will not be packed: refused, cancelled, nothing found. It may be what the others waited for."""
        group = self._groups.get(group_id)
        if group is not None:
            group.under_way.discard(reference)
            self._look(group)

    def packed(self, order: PickOrder) -> None:
        """It is packed, as far as it goes: alone it leaves, with others when they are all there."""
        group = self._groups.get(order.group_id)
        if group is None or group.left:
            self._leave([order])
            return
        if not group.packed:
            until = self._timeline.now() + PATIENCE_MINUTES * 60_000
            self._timeline.at(until, lambda: self._close(group))
        group.packed.append(order)
        group.under_way.discard(order.reference)
        self._look(group)

    def _look(self, group: _Group) -> None:
        if not group.under_way and len(group.known) >= group.size:
            self._close(group)

    def _close(self, group: _Group) -> None:
        if group.packed and not group.left:
            group.left = True
            self._leave(group.packed)
