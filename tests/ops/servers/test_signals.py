"""Ctrl-C and SIGTERM: a flag, never an exception out of a handler, and never a handler that waits for what it interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ops.servers.signals import Stop, Stopped, handled, stop_event

STORM = """
import os, sys, threading
from ops.servers.signals import stop_on_signals
stop = stop_on_signals(insist=False)
print("ready", flush=True)
waits = 0
while not (os.path.exists(sys.argv[1])):
    stop.wait(0.0005)
    stop._asked = False  # wait anew each time: every signal comes in the middle of a wait or of another handler
    waits += 1
print(waits > 0, flush=True)
"""


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_a_storm_of_signals_at_a_wait_leaves_nobody_deaf(tmp_path) -> None:
    process = child(STORM, str(tmp_path / "end"))
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    end = time.monotonic() + 3
    while time.monotonic() < end:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
    (tmp_path / "end").touch()
    assert process.communicate(timeout=10)[0] == "True\n"
    assert process.returncode == 0


def test_a_signal_wakes_everyone_who_waits() -> None:
    stop, seen = Stop(), list[bool]()
    threads = [threading.Thread(target=lambda: seen.append(stop.wait(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    with handled(stop):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        began = time.monotonic()
        assert stop.wait(20)
    for thread in threads:
        thread.join(5)
    assert seen == [True] * 4
    assert time.monotonic() - began < 5


def test_a_full_pipe_and_a_flag_set_long_ago_do_not_hold_the_handler() -> None:
    stop = Stop()
    for _ in range(100_000):
        stop.set()
    assert stop.wait(0)
    with pytest.raises(Stopped):
        stop.sleep(60)


def test_a_wait_without_a_signal_takes_its_time_and_no_more() -> None:
    began = time.monotonic()
    assert not Stop().wait(0.2)
    assert 0.15 < time.monotonic() - began < 5


def test_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with handled(Stop()):
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("ignored", [True, False])
def test_a_signal_that_the_shell_ignores_is_handled_all_the_same(ignored: bool) -> None:
    code = "from ops.servers.signals import stop_on_signals; s = stop_on_signals(); print('ready', flush=True); print(s.wait(30))"
    trap = "trap '' INT; " if ignored else ""
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'{trap}exec "$0" -c "$1"', sys.executable, code], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[0] == "True\n"


def test_an_echo_of_the_first_signal_ends_nothing_and_a_later_one_ends_at_once() -> None:
    code = (
        "import time\nfrom ops.servers.signals import stop_on_signals\n"
        "s = stop_on_signals(); print('ready', flush=True); s.wait(); print('asked', flush=True)\n"
        "while True: time.sleep(1)"
    )
    process = child(code)
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "asked\n"
    time.sleep(1.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    process.stdout.close()


async def test_in_a_loop_a_signal_sets_the_event_and_calls_what_else_is_to_be_done() -> None:
    told = list[int]()
    stop = stop_event(lambda: told.append(1))
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert told == [1]
