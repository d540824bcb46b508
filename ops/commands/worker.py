"""``wharf worker``: one process that folds orders and pools, or carries out effects. Start as many as there is work for."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import UserError

if TYPE_CHECKING:
    from ops.settings import Settings
    from streams.runtime import Runtime, RuntimeConfig

__all__ = ["register", "runtime_config", "worker"]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("worker")(worker)


def runtime_config(settings: Settings, role: str, slot: int, metrics_port: int | None = None) -> RuntimeConfig:
    """What a worker of this role and slot runs with. Raises UserError where there is no Kafka."""
    from ops.clock import from_setting
    from ops.embedded.endpoints import kafka_bootstrap
    from streams.app import GROUPS
    from streams.runtime import RuntimeConfig

    return RuntimeConfig(
        bootstrap=kafka_bootstrap(settings),
        group=GROUPS[role],
        now=from_setting(settings.clock),
        slot=slot,
        kafka=settings.kafka_config,
        metrics_port=metrics_port,
    )


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
    from ops.process import json_logs
    from ops.settings import Settings
    from streams.app import ROLES

    if role not in ROLES:
        raise UserError(f"--role: {role!r} is none of {', '.join(ROLES)}")
    settings = Settings()
    json_logs(settings.log_level)
    config = runtime_config(settings, role, slot)
    code = asyncio.run(_run_role(role, config, settings, metrics_port))
    if code:
        # librdkafka's threads may still wait for brokers; whatever they hold was not committed and must not be.
        sys.stderr.flush()
        os._exit(code)


async def _run_role(role: str, config: RuntimeConfig, settings: Settings, metrics_port: int | None = None) -> int:
    if role == "core":
        from ops.clock import speed
        from streams.app import core

        return await _observed(core(config, speed(settings.clock)), settings, role, metrics_port)
    from ops.senders import open_senders
    from streams.effects import effects_runtime

    async with open_senders(settings) as senders:
        return await _observed(effects_runtime(config, senders), settings, role, metrics_port)


async def _observed(runtime: Runtime, settings: Settings, role: str, metrics_port: int | None) -> int:
    """Run with its metrics served."""
    from ops.metrics import metrics_served

    name = f"{role}-{runtime.config.slot}"
    with metrics_served(settings.home, name, runtime.health.registry, metrics_port):
        return await _run(runtime)


async def _run(runtime: Runtime) -> int:
    """Exit code 0: told to stop; 1: to be started again; 2: first somebody has to act."""
    import structlog

    from ops.signals import stop_event
    from streams.runtime import RuntimeFailed, StateLost
    from streams.runtime.errors import TopicsUnfit

    stop = stop_event()
    log = structlog.get_logger("wharf.worker").bind(member=runtime.config.member)
    try:
        await runtime.run(stop)
    except (StateLost, TopicsUnfit) as e:
        log.critical("worker can't start", error=str(e))
        typer.echo(f"wharf: {e}", err=True)
        return 2
    except RuntimeFailed as e:
        log.critical("worker ends", reason=type(e).__name__, error=str(e))
        return 1
    except Exception:
        log.critical("worker ends", exc_info=True)
        return 1
    log.info("worker stopped")
    return 0
