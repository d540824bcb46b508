"""One thread, one seed, virtual time: processes whose steps the seed interleaves, and which it kills and pauses between any two.

A process has an asyncio loop and jobs. Coroutines run in the loop. A call that blocks (of a Kafka client, of ClickHouse) runs in a job, a
greenlet, which stops at every ``point``: there others may run, the process may die, or stand still like under SIGSTOP.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from greenlet import getcurrent, greenlet

from .loop import Loop

__all__ = ["Actor", "Crashed", "Job", "Kernel", "Process", "Stuck"]

START_MS = 1_795_000_000_000
"""Virtual time begins here (UTC ms)."""


class Crashed(BaseException):
    """The process was killed; raised where it stood, so that nothing of it runs on."""


class Stuck(AssertionError):
    """Nothing can ever run again, or the run takes too many steps: a liveness violation."""


class Job:
    """A blocking call of a process. ``ready``: what it waits for; ``deadline``: when it goes on anyway (virtual seconds)."""

    def __init__(self, process: Process, name: str, call: Callable[[], None]) -> None:
        self.process = process
        self.name = name
        self.ready: Callable[[], bool] | None = None
        self.deadline: float | None = None
        self.let = greenlet(call)

    def step(self) -> None:
        self.let.switch()

    @property
    def over(self) -> bool:
        return bool(self.let.dead)


class Actor:
    """Something that is no process and never dies: a coordinator, the world outside. ``due()`` None: nothing to do."""

    name = "actor"

    def due(self) -> float | None:
        """When it can next do something (virtual seconds; the past: now)."""
        raise NotImplementedError

    def step(self) -> None:
        """Do one thing."""
        raise NotImplementedError


class Process:
    """A process: alive until it crashes or its main coroutine ends."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self.kernel = kernel
        self.name = name
        self.dead = False
        self.silent_since: float | None = None
        """Since when it sends no heartbeats: paused or dead."""
        self.paused_until: float | None = None
        self.jobs: list[Job] = []
        self.loop = Loop(self)
        self.ended: BaseException | None = None

    def start_job(self, name: str, call: Callable[[], None]) -> None:
        self.jobs.append(Job(self, name, call))

    def die(self) -> None:
        """kill -9: nothing of it runs any more."""
        if not self.dead:
            self.dead = True
            self.silent_since = self.kernel.now
            self.kernel.processes.remove(self)
            self.kernel.graves.append(self)

    def bury(self) -> None:
        """Unwind what is left of it; the fake servers ignore the dead."""
        for job in self.jobs:
            if not job.over and job.let:
                with suppress(Crashed):
                    job.let.throw(Crashed)
        self.jobs = []
        self.loop.drop()


class Kernel:
    """The scheduler. ``chaos``: called at each point with process and label; it may have the process die or pause."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.steps = 0
        self.points: Counter[str] = Counter()
        self.processes: list[Process] = []
        self.graves: list[Process] = []
        self.actors: list[Actor] = []
        self.chaos: Callable[[Process, str], None] = lambda process, label: None
        self.watch: list[Callable[[str], None]] | None = None
        self._trace = hashlib.blake2b(digest_size=16)
        self._current: Job | None = None
        self._main: Any = None

    @property
    def ms(self) -> int:
        """Virtual UTC milliseconds."""
        return START_MS + int(self.now * 1000)

    @property
    def trace(self) -> str:
        """The hash of all that happened so far."""
        return self._trace.hexdigest()

    def note(self, *what: object) -> None:
        """Add to the trace."""
        line = f"{self.now:.6f} {what}"
        self._trace.update(line.encode())
        if self.watch is not None:
            for listen in self.watch:
                listen(line)

    def process(self, name: str) -> Process:
        """Start a process."""
        made = Process(self, name)
        self.processes.append(made)
        return made

    def point(self, process: Process, label: str) -> None:
        """A step boundary in a process: it may be the last, others may run. In a job others run; in the loop it may only die."""
        if process.dead:
            raise Crashed
        self.points[label] += 1
        self.note(process.name, label)
        self.chaos(process, label)
        if process.dead:
            raise Crashed
        job = self._current
        if job is not None and job.process is process:
            self._switch(job, None, None)

    def wait(self, process: Process, ready: Callable[[], bool], seconds: float | None = None) -> bool:
        """Block a job until ``ready`` (True) or for ``seconds`` (False)."""
        job = self._current
        if process.dead:
            raise Crashed
        assert job is not None, "only a job can block"
        assert job.process is process, "a job can only block for its own process"
        deadline = None if seconds is None else self.now + seconds
        while not ready():
            if deadline is not None and deadline <= self.now:
                return False
            self._switch(job, ready, deadline)
        return True

    def _switch(self, job: Job, ready: Callable[[], bool] | None, deadline: float | None) -> None:
        job.ready, job.deadline = ready, deadline
        self._main.switch()
        job.ready = job.deadline = None
        if job.process.dead:
            raise Crashed

    def run(self, until: Callable[[], bool], max_steps: int) -> None:
        """Step until ``until``. Raises Stuck."""
        self._main = getcurrent()
        while not until():
            if self.steps >= max_steps:
                raise Stuck(f"not at rest after {self.steps} steps, {self.now:.0f} virtual seconds")
            self._step()

    def _step(self) -> None:
        units = self._runnable()
        if not units:
            self._leap()
            return
        self.steps += 1
        unit = units[self.random.randrange(len(units))] if len(units) > 1 else units[0]
        self.now += self.random.random() * 0.002
        if isinstance(unit, Job):
            self._run_job(unit)
        elif isinstance(unit, Process):
            unit.loop.run()
        else:
            self.note(unit.name)
            unit.step()
        while self.graves:
            self.graves.pop().bury()

    def _run_job(self, job: Job) -> None:
        self._current = job
        try:
            job.step()
        except Crashed:
            job.process.die()
        finally:
            self._current = None
        if job.over and job in job.process.jobs:
            job.process.jobs.remove(job)

    def _runnable(self) -> list[Any]:
        now = self.now
        units: list[Any] = []
        for p in self.processes:
            if p.paused_until is not None:
                if p.paused_until > now:
                    continue
                p.paused_until = p.silent_since = None
                self.note(p.name, "resumed")
            for j in p.jobs:
                if j.ready is None or (j.deadline is not None and j.deadline <= now) or j.ready():
                    units.append(j)
            if p.loop.runnable(now):
                units.append(p)
        for a in self.actors:
            due = a.due()
            if due is not None and due <= now:
                units.append(a)
        return units

    def _leap(self) -> None:
        """Nothing can run now: on to the next thing that is due."""
        times = [due for a in self.actors if (due := a.due()) is not None]
        for p in self.processes:
            if p.paused_until is not None:
                times.append(p.paused_until)
                continue
            times += [j.deadline for j in p.jobs if j.deadline is not None]
            times += p.loop.timers()
        if not times:
            raise Stuck("nothing can ever run again")
        self.now = max(self.now, min(times))
