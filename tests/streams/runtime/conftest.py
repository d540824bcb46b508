"""One set of topics a test, and a worker inside the test's own loop."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `job` is a script as well as a module

import job

from streams.runtime import Runtime

Running = Callable[[Runtime], AbstractAsyncContextManager["asyncio.Task[None]"]]


@pytest.fixture
def names(kafka: str) -> job.Names:
    made = job.Names(f"t{uuid.uuid4().hex[:8]}")
    job.create(kafka, made)
    return made


@pytest.fixture
def running() -> Running:
    """Run a runtime while the block lasts; a failure of it comes out of the block."""

    @asynccontextmanager
    async def run(runtime: Runtime) -> AsyncIterator[asyncio.Task[None]]:
        stop = asyncio.Event()
        task = asyncio.ensure_future(runtime.run(stop))
        try:
            yield task
        finally:
            stop.set()
            await asyncio.wait({task}, timeout=20)
        await task

    return run
