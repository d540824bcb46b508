"""What `wharf up` does about rules: the file that lies there is put in force where none are; a change is published by hand."""

from __future__ import annotations

import structlog

from ops.clock import from_setting
from ops.servers.endpoints import kafka_bootstrap, kafka_config
from ops.settings import Settings

from .load import load
from .publish import in_force, publish

__all__ = ["check_first_rules", "publish_first_rules"]

log = structlog.get_logger(__name__)


def check_first_rules(settings: Settings) -> None:
    """Read ``settings.rules``, if it is there, before anything starts. Raises RulesError naming line and field."""
    if settings.rules.is_file():
        load(settings.rules)


def publish_first_rules(settings: Settings) -> None:
    """Put ``settings.rules`` in force where no rules are yet. Raises RulesError, naming line and field, for a file with an error:
    nothing is published then."""
    bootstrap, config = kafka_bootstrap(settings), kafka_config(settings)
    found = in_force(bootstrap, config)
    if found:
        log.info("rules in force", version=found[0].version)
    elif settings.rules.is_file():
        record = publish(bootstrap, config, load(settings.rules), from_setting(settings.clock)(), "wharf up")
        log.info("first rules published", file=str(settings.rules), version=record.version)
    else:
        log.warning("no rules yet: every order waits; `wharf rules publish FILE --execute` puts them in force")
