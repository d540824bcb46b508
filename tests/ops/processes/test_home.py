"""WHARF_HOME: one user's alone, whatever it was before; what can't be used is one line with the way out; orphans are waited for."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.demo.workdir import WorkDir
from ops.errors import UserError
from ops.private import private
from ops.servers.endpoints import find, notes, publish, withdraw
from ops.servers.guard import DirectoryLock
from ops.supervisor import Spec, Supervisor

WHARF = (sys.executable, "-c", "from wharf.cli import main; main()")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def wharf(home: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WHARF_HOME": str(home), **more}
    return subprocess.run([*WHARF, *command], capture_output=True, text=True, env=environment, check=False, timeout=60)


def test_a_new_home_is_its_users_alone(tmp_path: Path) -> None:
    publish(tmp_path / "a" / "home", "kafka", bootstrap="x")
    assert mode(tmp_path / "a" / "home") == 0o700
    assert mode(tmp_path / "a" / "home" / "endpoints.json") == 0o600


def test_a_home_of_an_earlier_version_is_tightened(tmp_path: Path) -> None:
    for part in ("kafka", "logs"):
        (tmp_path / "home" / part).mkdir(parents=True)
    (tmp_path / "home" / "endpoints.json").write_text("{}")
    (tmp_path / "home").chmod(0o755)
    publish(tmp_path / "home", "kafka", bootstrap="x")
    assert mode(tmp_path / "home") == 0o700
    assert mode(tmp_path / "home" / "endpoints.json") == 0o600


@pytest.mark.parametrize("rights", [0o755, 0o1777])
def test_a_directory_that_holds_other_things_keeps_its_rights(tmp_path: Path, capfd, rights: int) -> None:
    (tmp_path / "home").mkdir()
    if rights == 0o755:
        (tmp_path / "home" / "letters.txt").touch()
    (tmp_path / "home").chmod(rights)
    private(tmp_path / "home")
    assert mode(tmp_path / "home") == rights
    out, err = capfd.readouterr()
    assert "other users may look into this directory" in out + err


def test_a_home_behind_a_link_is_the_one_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    private(tmp_path / "link")
    assert mode(tmp_path / "real") == 0o700
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="set WHARF_HOME"):
        private(tmp_path / "dead")


def test_logs_and_what_a_child_makes_are_its_users_alone(tmp_path: Path) -> None:
    made = tmp_path / "made"
    code = f"import pathlib; pathlib.Path({str(made)!r}).write_text('x')"
    with Supervisor(tmp_path / "logs") as supervisor:
        supervisor.start(Spec("once", (sys.executable, "-c", code), restart=False))
        supervisor.wait_exit("once", 20)
    assert mode(tmp_path / "logs") == 0o700
    assert mode(made) == 0o600


@pytest.mark.parametrize("command", [["up"], ["demo"]])
@pytest.mark.parametrize("home", ["file", "below a file", "/proc/nowhere", "a" * 300])
def test_a_home_that_can_not_be_made_is_one_line(tmp_path: Path, command: list[str], home: str) -> None:
    (tmp_path / "file").touch()
    place = {"file": tmp_path / "file", "below a file": tmp_path / "file" / "home"}.get(home, tmp_path / home)
    done = wharf(place, *command, WHARF_RULES=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("wharf: "), done.stderr
    assert done.stderr.count("\n") == 1


def test_a_read_only_home_is_one_line(tmp_path: Path, monkeypatch) -> None:
    """The super-user writes anywhere, so the system's answer is given here by hand."""
    monkeypatch.setattr(os, "access", lambda path, how: False)
    with pytest.raises(UserError, match="it is not writable: set WHARF_HOME to a directory that you may write to"):
        publish(tmp_path, "kafka", bootstrap="x")


GARBAGE = [b"[1]", b"{", b'{"kafka": 5}', b'{"kafka": {}}', b'{"kafka": {"pid": "1"}}', b'{"kafka": {"pid": 1e99}}', b"\xff\xfe", b"null", b'{"kafka": {"pid": -1}}', b"[" * 100_000, b'{"kafka": {"pid": 99999999999}}']  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_among_the_notes_is_told_and_who_starts_begins_anew(tmp_path: Path, garbage: bytes) -> None:
    file = tmp_path / "endpoints.json"
    file.write_bytes(garbage)
    for look in (lambda: find(tmp_path, "kafka"), lambda: notes(tmp_path)):
        with pytest.raises(UserError, match=r"endpoints\.json: holds no notes of ours: delete it"):
            look()
    publish(tmp_path, "kafka", bootstrap="x")
    assert find(tmp_path, "kafka") == {"pid": os.getpid(), "bootstrap": "x"}
    withdraw(tmp_path, "kafka")
    assert json.loads(file.read_text()) == {}


def test_a_command_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_bytes(b"[1]")
    done = wharf(tmp_path, "kpi")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    (tmp_path / "endpoints.json").unlink()
    (tmp_path / "endpoints.json").mkdir()
    done = wharf(tmp_path, "kpi")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("garbage", [b"[1]", b"{", b"{}", b'{"pids": {"a": "x"}}', b'{"pids": {"a": -1}}', b"\xff"])
def test_a_demo_whose_list_of_processes_is_garbage_kills_nobody(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "running.json").write_bytes(garbage)
    with pytest.raises(UserError, match="is no list of processes"):
        WorkDir(tmp_path).stop()


def test_a_stop_that_finds_no_demo_says_where_it_looked_and_ends_with_1(tmp_path: Path) -> None:
    done = wharf(tmp_path, "demo", "--stop")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"no demo runs in {tmp_path}/demo or {tmp_path}: name its directory by --home\n"


def test_a_stop_finds_the_demo_that_wharf_home_names(tmp_path: Path) -> None:
    mark = {**os.environ, "WHARF_DEMO": str(tmp_path)}
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=mark)
    WorkDir(tmp_path).note({"worker-0": sleeper.pid})
    reaper = subprocess.Popen([*WHARF, "demo", "--stop"], env={**os.environ, "WHARF_HOME": str(tmp_path)}, stdout=-1, text=True)  # fmt: skip
    assert sleeper.wait(30) == -signal.SIGTERM
    assert reaper.communicate(timeout=30)[0] == "stopped worker-0\n"


OWNER = """
import sys, time, signal, threading
from pathlib import Path
from ops.servers.guard import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]), "ClickHouse")
lock.acquire()
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(2), sys.exit(0)))
print("held", flush=True)
time.sleep(60)
"""


@pytest.mark.timeout(90)
def test_an_orphan_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    """`wharf up`, killed and started again at once, meets the sink it had: its parent is gone, and it takes two seconds to end."""
    lock = tmp_path / "home" / "clickhouse" / "lock"
    parent_code = (
        "import sys, pathlib\nfrom ops.supervisor import Spec, Supervisor\nimport time\n"
        f"s = Supervisor(pathlib.Path({str(tmp_path)!r}))\n"
        f"s.start(Spec('sink', (sys.executable, '-c', {OWNER!r}, {str(lock)!r})))\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_code])
    end = time.monotonic() + 30
    while not (tmp_path / "sink.log").exists() or "\nheld" not in (tmp_path / "sink.log").read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    ours = DirectoryLock(lock, "ClickHouse")
    with pytest.raises(UserError, match="in use by ClickHouse of process"):  # its parent lives: nobody's orphan
        ours.acquire()
    parent.kill()
    parent.wait()
    began = time.monotonic()
    ours.acquire()
    assert 0.5 < time.monotonic() - began < 20
    ours.release()


@pytest.mark.parametrize("owner", ["", "x", "-5", "999999999999", "1", "1 2 3", "\0", "٣"])
def test_what_stands_in_a_lock_file_decides_nothing_by_itself(tmp_path: Path, owner: str, monkeypatch) -> None:
    monkeypatch.setattr("ops.servers.guard.ORPHAN_SECONDS", 0.2)
    lock = tmp_path / "home" / "kafka" / "lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(owner)
    held = DirectoryLock(lock, "Kafka")
    held.acquire()
    lock.write_text(owner)
    with pytest.raises(UserError, match="in use by Kafka"):
        DirectoryLock(lock, "Kafka").acquire()
    held.release()
