"""``wharf worker``: one process that folds orders and pools, or carries out effects. Start as many as there is work for."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import UserError
from ops.processes.worker import run_role, runtime_config

if TYPE_CHECKING:
    pass

__all__ = ["register", "worker"]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("worker")(worker)


def worker(
    slot: Annotated[int, typer.Option(min=0, help="This process's place in its group; no two may share one")] = 0,
    role: Annotated[str, typer.Option(help="core: orders and pools; effects: what goes out")] = "core",
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Of the Prometheus metrics, on localhost; default: a free one, see `wharf status`"),
    ] = None,
) -> None:
    """Work until SIGTERM or SIGINT; the cycle under way is finished first.

    Ends with 1 where it must be started again (a failed transaction, fencing, an agent that keeps failing) and with 2 where
    somebody has to act first; the last line says which.
    """
    from ops.processes.logs import json_logs
    from ops.settings import Settings
    from streams.app import ROLES

    if role not in ROLES:
        raise UserError(f"--role: {role!r} is none of {', '.join(ROLES)}")
    settings = Settings()
    json_logs(settings.log_level)
    config = runtime_config(settings, role, slot)
    code = asyncio.run(run_role(role, config, settings, metrics_port))
    if code:
        # librdkafka's threads may still wait for brokers; whatever they hold was not committed and must not be.
        sys.stderr.flush()
        os._exit(code)
