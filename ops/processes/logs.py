"""What every long-running process of ours begins with: logs as JSON lines on stderr."""

from __future__ import annotations

__all__ = ["json_logs"]


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
