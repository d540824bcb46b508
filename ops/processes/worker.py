"""A worker's process: its runtime by role, with metrics, until it is told to stop or has to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ops.settings import Settings
    from streams.runtime import Runtime, RuntimeConfig

__all__ = ["run_role", "runtime_config"]


def runtime_config(settings: Settings, role: str, slot: int, metrics_port: int | None = None) -> RuntimeConfig:
    """What a worker of this role and slot runs with. Raises UserError where there is no Kafka."""
    from ops.clock import from_setting
    from ops.servers.endpoints import kafka_bootstrap
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


async def run_role(role: str, config: RuntimeConfig, settings: Settings, metrics_port: int | None = None) -> int:
    if role == "core":
        from ops.clock import speed
        from streams.app import core

        return await _observed(core(config, speed(settings.clock)), settings, role, metrics_port)
    from ops.processes.connections import open_senders
    from streams.effects.agent import effects_runtime

    async with open_senders(settings) as senders:
        return await _observed(effects_runtime(config, senders), settings, role, metrics_port)


async def _observed(runtime: Runtime, settings: Settings, role: str, metrics_port: int | None) -> int:
    """Run with its metrics served."""
    from ops.processes.metrics import metrics_served

    name = f"{role}-{runtime.config.slot}"
    with metrics_served(settings.home, name, runtime.health.registry, metrics_port):
        return await _run(runtime)


async def _run(runtime: Runtime) -> int:
    """Exit code 0: told to stop; 1: to be started again; 2: first somebody has to act."""
    import structlog

    from ops.servers.signals import stop_event
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
