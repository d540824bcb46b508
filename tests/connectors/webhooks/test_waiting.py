"""Room for unverified requests: bounded for all, fair by peer, and half of it for those who proved themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.webhooks.peers import Proxies
from connectors.webhooks.waiting import Seat, Waiting


def enter(room: Waiting, peer: str, now: float = 0.0) -> Seat:
    return room.enter(peer, now, lambda: None)


def test_a_stranger_too_many_sends_the_oldest_of_the_busiest_peer_away() -> None:
    room = Waiting(4, 1000)
    busy = [enter(room, "a", i) for i in range(3)]
    other = enter(room, "b", 4.0)
    newcomer = enter(room, "c", 5.0)
    assert [s.evicted for s in (*busy, other, newcomer)] == [True, False, False, False, False]
    assert room.open == 4


def test_what_has_held_most_bytes_longest_goes_first_not_the_large_one_that_just_came() -> None:
    room = Waiting(10, 1000)
    old, young = enter(room, "a", 0.0), enter(room, "a", 9.9)
    room.grow(old, 400, 0.0)
    room.grow(young, 601, 10.0)
    assert (old.evicted, young.evicted, room.bytes) == (True, False, 601)


def test_strangers_from_a_thousand_addresses_cannot_use_the_half_of_proven_peers() -> None:
    room = Waiting(100, 10_000)
    room.prove("shop", 0.0)
    genuine = [enter(room, "shop") for _ in range(50)]
    for seat in genuine:
        room.grow(seat, 100, 0.0)
    for i in range(1000):
        room.grow(enter(room, f"stranger-{i}", 1.0), 100, 1.0)
    assert not any(s.evicted for s in genuine)
    assert (room.open, room.bytes) == (100, 10_000)


def test_a_busy_proven_peer_may_use_all_there_is_while_nobody_else_needs_it() -> None:
    room = Waiting(100, 10_000)
    room.prove("shop", 0.0)
    seats = [enter(room, "shop") for _ in range(100)]
    assert not any(s.evicted for s in seats)
    stranger = enter(room, "first-timer", 1.0)
    assert not stranger.evicted
    assert sum(s.evicted for s in seats) == 1


def test_proof_is_forgotten_after_an_hour_and_only_so_many_are_remembered() -> None:
    room = Waiting(10, 10)
    room.prove("a", 0.0)
    assert room.is_proven("a", 3599.0)
    assert not room.is_proven("a", 3601.0)
    for i in range(5000):
        room.prove(f"p{i}", 0.0)
    assert not room.is_proven("a", 0.0)
    assert room.is_proven("p4999", 0.0)


steps = st.lists(st.tuples(st.sampled_from("egslp"), st.integers(0, 9), st.integers(0, 60)), max_size=120)


@given(steps)
def test_whatever_comes_the_room_is_never_exceeded_and_nothing_is_counted_twice(
    acts: list[tuple[str, int, int]],
) -> None:
    room = Waiting(8, 200)
    seats: list[Seat] = []
    settled: set[Seat] = set()
    for at, (act, n, size) in enumerate(acts):
        if act == "p":
            room.prove(str(n), at)
        elif act == "e":
            seats.append(enter(room, str(n), at))
        elif seats:
            seat = seats[n % len(seats)]
            if act == "g" and seat not in settled:
                room.grow(seat, size, at)
            elif act == "s" and len(settled) < 2:  # as many as there are threads
                settled.add(seat)
                room.settle(seat)
            elif act == "l":
                room.leave(seat)
        here = [s for s in seats if not s.evicted]
        assert (room.open, room.bytes) == (len(here), sum(s.bytes for s in here))
        assert room.open <= 8
        assert room.bytes <= 200 + sum(s.bytes for s in settled)
    for seat in seats:
        room.leave(seat)
    assert (room.open, room.bytes) == (0, 0)


@pytest.mark.parametrize(
    ("client", "forwarded", "peer"),
    [
        pytest.param("203.0.113.7", "", "203.0.113.7", id="direct"),
        pytest.param("203.0.113.7", "198.51.100.1", "203.0.113.7", id="a stranger's own header is not believed"),
        pytest.param("127.0.0.1", "198.51.100.1", "198.51.100.1", id="our proxy's is"),
        pytest.param("127.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1", id="only its last word"),
        pytest.param("127.0.0.1", "1.1.1.1, 198.51.100.1, 127.0.0.2", "198.51.100.1", id="two proxies of ours"),
        pytest.param("127.0.0.1", "rubbish", "127.0.0.1", id="rubbish"),
        pytest.param("127.0.0.1", "," * 9000, "127.0.0.1", id="commas"),
        pytest.param("127.0.0.1", "[2001:db8:1:2:3::4]", "2001:db8:1:2::/64", id="version 6 counts as its network"),
        pytest.param("2001:db8:1:2::9", "", "2001:db8:1:2::/64", id="version 6, direct"),
        pytest.param("::ffff:203.0.113.7", "", "203.0.113.7", id="version 4 in version 6"),
        pytest.param("", "", "", id="no address at all"),
    ],
)
def test_the_peer_is_the_last_address_that_our_own_proxies_saw(client: str, forwarded: str, peer: str) -> None:
    assert Proxies().peer(client, forwarded) == peer
