"""Room for what nobody has verified yet: so many requests and so many bytes for all together, shared between those who send.

Nobody is refused at the door while there is anybody to send away: where room is short, whoever uses most of it gives up the request that has
used it longest; for bytes that is bytes × seconds. A genuine delivery comes in one piece and is verified within milliseconds; what trickles is always the older one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from operator import attrgetter

__all__ = ["Seat", "Waiting"]

_PROVEN_SECONDS = 3600.0
_PROVEN_PEERS = 4096
_OPEN, _BYTES = attrgetter("open"), attrgetter("bytes")
_INSTANT = 0.001
"""Seconds that even the newest counts for."""


class Seat:
    """One request that is being read. ``evict`` ends its reading."""

    __slots__ = ("bytes", "evict", "evicted", "group", "holding", "since")

    def __init__(self, group: _Group, holding: _Holding, since: float, evict: Callable[[], None]) -> None:
        self.group = group
        self.holding = holding
        self.since = since
        self.evict = evict
        self.evicted = False
        self.bytes = 0


class _Holding:
    """What one peer has open. A dict keeps the order in which they came."""

    __slots__ = ("bytes", "moments", "open", "peer", "seats")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.seats: dict[Seat, None] = {}
        self.open = self.bytes = 0
        self.moments = 0.0
        """Each request's bytes × when it came, summed."""

    def byte_seconds(self, now: float) -> float:
        """What it has used by now."""
        return self.bytes * (now + _INSTANT) - self.moments


class _Group:
    """Peers that have sent something genuine lately, or those that have not."""

    __slots__ = ("bytes", "holdings", "open")

    def __init__(self) -> None:
        self.holdings: dict[str, _Holding] = {}
        self.open = self.bytes = 0

    def add(self, seat: Seat, requests: int, size: int) -> None:
        holding = seat.holding
        self.open += requests
        self.bytes += size
        holding.open += requests
        holding.bytes += size
        holding.moments += size * seat.since
        if not holding.open and self.holdings.get(holding.peer) is holding:
            del self.holdings[holding.peer]


class Waiting:
    """``requests`` and ``size`` (bytes) are for all; half of each belongs to peers that proved themselves within the hour, as far as they use it.

    Time (seconds, monotonic) is an argument.
    """

    def __init__(self, requests: int, size: int) -> None:
        self._requests = requests
        self._size = size
        self._strangers, self._proven = _Group(), _Group()
        self._since: OrderedDict[str, float] = OrderedDict()

    @property
    def open(self) -> int:
        """Count of the requests that wait."""
        return self._strangers.open + self._proven.open

    @property
    def bytes(self) -> int:
        """Bytes that the waiting requests hold."""
        return self._strangers.bytes + self._proven.bytes

    def prove(self, peer: str, now: float) -> None:
        """A delivery of this peer was genuine."""
        self._since[peer] = now
        self._since.move_to_end(peer)
        if len(self._since) > _PROVEN_PEERS:
            self._since.popitem(last=False)

    def is_proven(self, peer: str, now: float) -> bool:
        """Whether it sent something genuine lately."""
        return now - self._since.get(peer, float("-inf")) < _PROVEN_SECONDS

    def enter(self, peer: str, now: float, evict: Callable[[], None]) -> Seat:
        """A seat for a request; where there is none left, another one has to go."""
        group = self._proven if self.is_proven(peer, now) else self._strangers
        holding = group.holdings.setdefault(peer, _Holding(peer))
        seat = Seat(group, holding, now, evict)
        holding.seats[seat] = None
        group.add(seat, 1, 0)
        while self.open > self._requests and (crowd := self._crowd(_OPEN, self._requests, _OPEN)):
            self._send_away(next(iter(crowd.seats)))
        return seat

    def grow(self, seat: Seat, size: int, now: float) -> None:
        """The request holds ``size`` bytes more. It may be the one that has to go: look at ``evicted``."""
        if seat.evicted:
            return
        seat.bytes += size
        seat.group.add(seat, 0, size)
        while self.bytes > self._size and (
            crowd := self._crowd(_BYTES, self._size, lambda holding: holding.byte_seconds(now))
        ):
            self._send_away(max(crowd.seats, key=lambda s: s.bytes * (now - s.since + _INSTANT)))

    def settle(self, seat: Seat) -> None:
        """It has been read and is looked at this moment: it counts on, but can't be sent away any more."""
        seat.holding.seats.pop(seat, None)

    def leave(self, seat: Seat) -> None:
        """It is verified or refused: its room is free."""
        if not seat.evicted:
            seat.evicted = True
            self.settle(seat)
            seat.group.add(seat, -1, -seat.bytes)

    def _crowd(self, what: attrgetter[int], cap: int, used: Callable[[_Holding], float]) -> _Holding | None:
        """Who has used most, among those who are beyond their half: strangers first."""
        groups = (
            (self._strangers, self._proven) if what(self._strangers) > cap // 2 else (self._proven, self._strangers)
        )
        for group in groups:
            if crowded := [holding for holding in group.holdings.values() if holding.seats]:
                return max(crowded, key=used)
        return None

    def _send_away(self, seat: Seat) -> None:
        self.leave(seat)
        seat.evict()
