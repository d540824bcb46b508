"""What every long-running process of ours begins with: where Kafka is, and logs as JSON lines on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.errors import UserError

if TYPE_CHECKING:
    from ops.settings import Settings

__all__ = ["bootstrap", "json_logs"]


def bootstrap(settings: Settings) -> str:
    """The brokers: ``WHARF_KAFKA``, else the embedded one that ``wharf up`` runs. Raises UserError where there is neither."""
    if settings.kafka:
        return settings.kafka
    port = settings.home / "kafka" / "port"
    if port.is_file():
        return f"127.0.0.1:{port.read_text().strip()}"
    raise UserError(f"Kafka is not running under {settings.home}: start `wharf up`, or set WHARF_KAFKA=host:port")


def json_logs(level: str) -> None:
    """Our own logs and those of libraries (librdkafka's too), one JSON object a line."""
    import logging
    import sys

    import structlog

    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared)
    )
    # Libraries tell every start and stop of theirs at INFO; ours are enough.
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
