"""Progress on stderr: bars in a terminal, a line every few seconds elsewhere. Nothing here ever touches stdout."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from .watch import Progress as Counts

__all__ = ["Display"]

LINE_EVERY_SECONDS = 5.0


class Display:
    """``step`` names what is being done now; ``orders`` moves the bars."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._console = Console(file=sys.stderr, highlight=False)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started = time.monotonic()
        self._last_line = 0.0

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description:>10}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Progress(*columns, console=self._console, transient=True)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def step(self, text: str) -> None:
        """Say what is done now."""
        self._console.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/dim]  {text}", soft_wrap=True)

    def orders(self, counts: Counts, clock: str, last: bool = False) -> None:
        """Show how far the orders are. ``clock``: the simulated time; ``last``: they won't get further."""
        figures = {"placed": counts.placed, "shipped": counts.shipped, "delivered": counts.delivered}
        if self._bars is not None:
            for name, done in figures.items():
                if name not in self._tasks:
                    self._tasks[name] = self._bars.add_task(name, total=self._total)
                self._bars.update(self._tasks[name], completed=done)
            return
        if last or time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self.step(
                ", ".join(f"{done} {name}" for name, done in figures.items()) + f" of {self._total}; it is {clock}"
            )
