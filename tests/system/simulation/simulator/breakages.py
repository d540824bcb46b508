"""Guards switched off, one at a time: with each of them off the oracles must find something, or they are blind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

__all__ = ["Breakages"]


@dataclass(frozen=True)
class Breakages:
    """``no_dedupe``: every fact counts as new. ``no_transaction``: outputs and changelog are visible at once.
    ``offsets_outside``: the offsets are committed beside the transaction. ``no_generation``: nobody looks at the group's
    generation in an offset commit. ``stable_end``: a restore reads only to the last stable offset. ``no_progress``: the sink does not look
    at the progress stored in ClickHouse. ``no_insert_token``: ClickHouse does not drop repeats. ``forgetful_warehouse``: the 3PL
    does not keep to the idempotency key.
    """

    no_dedupe: bool = False
    no_transaction: bool = False
    offsets_outside: bool = False
    no_generation: bool = False
    stable_end: bool = False
    no_progress: bool = False
    no_insert_token: bool = False
    no_owner: bool = False
    forgetful_warehouse: bool = False

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Switch the product's own guards off."""
        if self.no_dedupe:
            with patch("domain.order.aggregate.admit", lambda session, fact: True):
                yield
        elif self.no_owner:
            with patch("sinks.clickhouse.writer.Writer._check_ours", lambda *_: None):
                yield
        elif self.no_progress:
            with (
                patch("sinks.clickhouse.progress.look", lambda client: {}),
                patch("sinks.clickhouse.writer.token", lambda batch, n=itertools.count(): f"{next(n)}"),  # noqa: B008
            ):
                yield
        else:
            yield
