"""The supervisor, with small real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.supervisor import ProcessFailed, Spec, Supervisor

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs") as s:
        yield s


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_process_is_started_again_and_counted(supervisor: Supervisor) -> None:
    supervisor.start(Spec("a", SLEEPER))
    first = supervisor.pid("a")
    supervisor.kill("a")
    until(lambda: supervisor.restarts() == {"a": 1} and supervisor.alive("a"))
    assert supervisor.pid("a") != first
    assert supervisor.exit_codes("a") == [-signal.SIGKILL]


def test_a_stopped_process_stays_stopped(supervisor: Supervisor) -> None:
    supervisor.start(Spec("a", SLEEPER))
    assert supervisor.stop("a") == -signal.SIGTERM
    time.sleep(0.5)
    assert not supervisor.alive("a")
    assert supervisor.restarts() == {}


def test_a_crash_loop_is_reported_with_the_end_of_the_log(supervisor: Supervisor) -> None:
    supervisor.start(Spec("bad", (sys.executable, "-c", "raise SystemExit('no such depot')")))

    def failed() -> bool:
        try:
            supervisor.check()
        except ProcessFailed:
            return True
        return False

    until(failed)
    with pytest.raises(ProcessFailed, match=r"bad died 5 times(?s:.*)no such depot"):
        supervisor.check()


def test_a_process_that_never_gets_ready_fails_by_name(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessFailed, match="slow was not ready in 0 s"):
        supervisor.start(Spec("slow", SLEEPER, ready=lambda: False, ready_seconds=0.2))


def test_a_process_that_ignores_sigterm_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    code = f"import signal,time,pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    supervisor.start(Spec("deaf", (sys.executable, "-c", code), ready=mark.exists, stop_seconds=0.3))
    assert supervisor.stop("deaf") == -signal.SIGKILL


def test_stop_all_leaves_no_process(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    for name in ("a", "b", "c"):
        supervisor.start(Spec(name, SLEEPER))
    pids = [supervisor.pid(n) for n in supervisor.names()]
    assert list(supervisor.stop_all()) == ["c", "b", "a"]
    assert all(gone(p) for p in pids)


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "pid"
    code = (
        "import sys,time,pathlib\n"
        "from ops.supervisor import Spec, Supervisor\n"
        f"s = Supervisor(pathlib.Path({str(tmp_path)!r}))\n"
        "s.start(Spec('a', (sys.executable, '-c', 'import time; time.sleep(600)')))\n"
        f"pathlib.Path({str(out)!r}).write_text(str(s.pid('a')))\n"
        "time.sleep(600)\n"
    )
    with Supervisor(tmp_path / "outer") as outer:
        outer.start(Spec("inner", (sys.executable, "-c", code), ready=lambda: out.exists() and bool(out.read_text())))
        child = int(out.read_text())
        os.kill(outer.pid("inner"), signal.SIGKILL)
        until(lambda: gone(child))


def test_a_one_off_that_fails_names_its_exit_code(supervisor: Supervisor) -> None:
    supervisor.start(Spec("once", (sys.executable, "-c", "raise SystemExit(3)"), restart=False), wait=False)
    with pytest.raises(ProcessFailed, match="once exited with 3"):
        supervisor.wait_exit("once", 10)


def test_a_process_is_asked_to_end_only_once(supervisor: Supervisor, tmp_path: Path) -> None:
    """Many servers take a second SIGTERM for "at once", and would not stop clean."""
    count = tmp_path / "count"
    code = (
        "import signal,time,pathlib\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "n = 0\n"
        "def term(*_):\n"
        "    global n\n"
        "    n += 1\n"
        "    count.write_text(str(n))\n"
        "signal.signal(15, term)\n"
        "count.write_text('0')\n"
        "while not n: time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
    )
    supervisor.start(
        Spec("slow to end", (sys.executable, "-c", code), ready=lambda: count.exists() and count.read_text() == "0")
    )
    assert supervisor.stop_all() == {"slow to end": 0}
    assert count.read_text() == "1"
