"""An asyncio event loop in virtual time, stepped by the kernel; what it hands to executors runs as the kernel's jobs."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kernel import Process

__all__ = ["Loop", "Threads"]


class Loop(asyncio.AbstractEventLoop):
    """As much of a loop as tasks, futures, timers and executors need."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._default = Threads(process, 4, "default")

    def runnable(self, now: float) -> bool:
        """Whether a callback is due."""
        return bool(self._ready) or (bool(self._timers) and self._timers[0][0] <= now)

    def timers(self) -> list[float]:
        """When the next timer is due."""
        return [self._timers[0][0]] if self._timers else []

    def run(self) -> None:
        """Run what is ready now, and all that follows from it at once."""
        from .kernel import Crashed

        now = self.time()
        while self._timers and self._timers[0][0] <= now:
            self._ready.append(heapq.heappop(self._timers)[2])
        asyncio._set_running_loop(self)
        try:
            while self._ready and not self._process.dead:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        except Crashed:
            self._process.die()
        finally:
            asyncio._set_running_loop(None)

    def drop(self) -> None:
        """The process is dead."""
        self._ready.clear()
        self._timers.clear()

    def time(self) -> float:
        return self._process.kernel.now

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self._process.dead:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        if not self._process.dead:
            heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._timers = [t for t in self._timers if t[2] is not handle]
        heapq.heapify(self._timers)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name)

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        return asyncio.wrap_future((executor or self._default).submit(func, *args), loop=self)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A dead process leaves tasks behind; what fails in a live one comes out of its main task."""


class _Answer(Future[Any]):
    """A future that a job can wait for without stopping the world."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def result(self, timeout: float | None = None) -> Any:
        self._await()
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._await()
        return super().exception(0)

    def _await(self) -> None:
        if not self.done():
            self._process.kernel.wait(self._process, self.done)


class Threads(Executor):
    """``count`` threads of a process, as jobs."""

    def __init__(self, process: Process, count: int, name: str) -> None:
        self._process = process
        self._free = count
        self._name = name
        self._queue: deque[tuple[_Answer, Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        answer = _Answer(self._process)
        self._queue.append((answer, lambda: fn(*args, **kwargs)))
        self._start()
        return answer

    def _start(self) -> None:
        if self._free and self._queue:
            self._free -= 1
            answer, call = self._queue.popleft()
            self._process.start_job(self._name, lambda: self._run(answer, call))

    def _run(self, answer: _Answer, call: Callable[[], Any]) -> None:
        if answer.set_running_or_notify_cancel():
            try:
                value = call()
                self._process.kernel.point(self._process, f"{self._name} done")
            except Exception as e:
                answer.set_exception(e)
            else:
                answer.set_result(value)
        self._free += 1
        self._start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for answer, _ in self._queue:
                answer.cancel()
            self._queue.clear()
