"""The sink process, killed by SIGKILL at a chosen place: ``crashing_sink.py PLACE N [no-token]``.

PLACE ``before-insert``, ``after-insert`` or ``after-progress``: at the N-th insert of rows (0: never). ``no-token`` makes every insert's token unique.
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from typing import Any

from ops.processes.sink import run_sink
from ops.servers.signals import stop_on_signals
from ops.settings import Settings
from sinks.clickhouse import progress, writer

place, left = sys.argv[1], int(sys.argv[2])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def insert(self: writer.Writer, batch: Any, plain: Any = writer.Writer._insert) -> None:
    global left
    left -= 1
    if left == 0 and place == "before-insert":
        die()
    plain(self, batch)
    if left == 0 and place == "after-insert":
        die()


def store(client: Any, batches: Any, state: Any, owners: Any, plain: Any = progress.store) -> None:
    plain(client, batches, state, owners)
    if left <= 0 and place == "after-progress" and state.value == "AFTER" and batches:
        die()


writer.Writer._insert = insert  # type: ignore[method-assign]
if place != "never":
    progress.store = store
if "no-token" in sys.argv:
    writer.token = lambda _: str(uuid.uuid4())

run_sink(Settings(), stop_on_signals(), ready=print)
