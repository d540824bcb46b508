"""Between the cycle and Faust's agents: a channel whose events are whole batches, and the loop that works them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import faust

from .batch import Batch
from .errors import AgentStuck

__all__ = ["AgentFunction", "AgentSpec", "BatchChannel", "bind"]

AgentFunction = Callable[[Batch], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent: its input topic, its table's changelog topic, its function.

    ``refold``: the table can be rebuilt by folding the input again, which must have no effect outside (``wharf replay state``).
    """

    topic: str
    table: str | None
    function: AgentFunction
    refold: bool = True

    @property
    def name(self) -> str:
        """Name of the agent's function."""
        return getattr(self.function, "__name__", self.topic)


class BatchChannel(faust.Channel):  # type: ignore[misc]  # faust ships no types
    """Hands an agent one batch at a time and waits for it."""

    async def work(self, batch: Batch, seconds: float) -> None:
        """Have the agent work the batch. Raises what the agent raised, or AgentStuck after ``seconds``."""
        # Faust keeps subscribers in a weak set: an agent that was not started or has died leaves none.
        if not self._subscribers:
            raise AgentStuck(f"no agent is running for {batch.topic}")
        batch.finished = asyncio.get_running_loop().create_future()
        await self.put(batch)
        try:
            async with asyncio.timeout(seconds):
                await batch.finished
        except TimeoutError as e:
            if batch.finished.done() and not batch.finished.cancelled():
                raise  # the agent's own
            raise AgentStuck(
                f"the agent of {batch.topic} did not finish {len(batch)} records in {seconds:.0f} s"
            ) from e


def bind(app: Any, spec: AgentSpec) -> BatchChannel:
    """Register the agent with Faust; returns its channel."""
    channel = BatchChannel(app, maxsize=1)

    async def run(stream: Any) -> None:
        async for batch in stream:
            await _work(spec.function, batch)

    app.agent(channel, name=spec.name)(run)
    return channel


async def _work(function: AgentFunction, batch: Batch) -> None:
    """Run the agent's function and tell the cycle how it ended, whatever happened: a cycle never waits for nobody."""
    finished = batch.finished
    if finished is None or finished.done():  # the cycle no longer waits for it
        return
    try:
        await function(batch)
    except Exception as e:
        # Told to the cycle, which drops everything and tries again: the actor itself is fit and stays.
        if not finished.done():
            finished.set_exception(e)
    except BaseException:
        if not finished.done():
            finished.set_exception(AgentStuck(f"the agent of {batch.topic} was stopped"))
        raise
    else:
        if not finished.done():
            finished.set_result(None)
