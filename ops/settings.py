"""What a process is told from outside: environment variables and ``wharf.yaml``. Secrets come only from the environment or files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.bol.config import BolAccount
from connectors.carriers.config import CarrierAccount
from connectors.messages.config import Messages
from connectors.portal.config import PortalAccount
from connectors.shopify.config import ShopifyAccount
from connectors.threepl.config import ThreePl

__all__ = ["ConfigError", "Connections", "Settings", "load_connections", "own_texts"]


class ConfigError(ValueError):
    """A configuration that can't be used; the message names the file, the field and the way out."""


class Settings(BaseSettings):
    """Environment variables, all with the prefix ``WHARF_``."""

    model_config = SettingsConfigDict(env_prefix="WHARF_", extra="ignore")

    home: Path = Field(default=Path(".wharf"), description="Where the embedded servers keep their data")
    kafka: str = Field(default="", description="host:port of real brokers; empty = the embedded one")
    kafka_config: dict[str, str] = Field(
        default_factory=dict, description="More librdkafka properties, as JSON (SASL, TLS)"
    )
    clickhouse: str = Field(default="", description="clickhouse-connect DSN of a real server; empty = the embedded one")
    registry: str = Field(default="", description="URL of a Confluent-compatible schema registry; empty = none")
    config: Path = Field(default=Path("wharf.yaml"), description="Connections to channels and 3PLs")
    rules: Path = Field(default=Path("rules.yaml"), description="Put in force by `wharf up` where no rules are yet")
    partitions: int = Field(default=4, description="Partitions of the topics that Wharfinger creates")
    clock: str = Field(default="", description="START@ORIGIN_MS*SPEED, for demonstrations only")
    log_level: str = "INFO"

    @property
    def labels(self) -> Path:
        """Where return labels are kept."""
        return self.home / "labels"


class Channels(BaseModel):
    model_config = ConfigDict(extra="forbid")
    shopify: dict[str, ShopifyAccount] = {}
    bol: dict[str, BolAccount] = {}
    portal: dict[str, PortalAccount] = {}


class Connections(BaseModel):
    """``wharf.yaml``: accounts by channel and name, 3PLs by name (the ``wms`` of a depot), carriers of return labels by name, how
    customers are told.
    """

    model_config = ConfigDict(extra="forbid")
    channels: Channels = Channels()
    threepl: dict[str, ThreePl] = {}
    carriers: dict[str, CarrierAccount] = {}
    messages: Messages | None = None


_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}|\$\{file:([^}]+)\}")


def _expand(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {k: _expand(v, f"{where}.{k}" if where else str(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, f"{where}[{i}]") for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def put(m: re.Match[str]) -> str:
        if m[1]:
            if m[1] not in os.environ:
                raise ConfigError(f"{where}: the environment variable {m[1]} is not set")
            return os.environ[m[1]]
        path = Path(m[2])
        if not path.is_file():
            raise ConfigError(f"{where}: the secret file {path} is not there")
        return path.read_text().strip()

    return _VARIABLE.sub(put, value)


def load_connections(path: Path) -> Connections:
    """Read ``wharf.yaml``; ``${NAME}`` is an environment variable, ``${file:/path}`` a file's text. No file means no connections.

    Raises ConfigError naming the file and the field.
    """
    if not path.exists():
        return Connections()
    from ruamel.yaml import YAML, YAMLError

    try:
        data = YAML(typ="safe").load(path.read_text()) or {}
        found = Connections.model_validate(_expand(data, ""))
        if found.messages is not None and found.messages.templates is not None:
            found.messages.templates = path.parent / found.messages.templates
    except YAMLError as e:
        raise ConfigError(f"{path}: {e}") from e
    except ValidationError as e:
        lines = [f"{'.'.join(str(p) for p in err['loc'])}: {err['msg']}" for err in e.errors()]
        raise ConfigError(f"{path}: " + "; ".join(lines)) from e
    except ConfigError as e:
        raise ConfigError(f"{path}: {e}") from e
    return found


def own_texts(path: Path) -> Path | None:
    """The folder of the merchant's own texts (``messages.templates``), without anything else of ``wharf.yaml``: who checks rules need not hold
    its secrets. None: there is none named. Raises ConfigError where the file is no YAML.
    """
    if not path.exists():
        return None
    from ruamel.yaml import YAML, YAMLError

    try:
        data = YAML(typ="safe").load(path.read_text()) or {}
    except YAMLError as e:
        raise ConfigError(f"{path}: {e}") from e
    messages = data.get("messages") if isinstance(data, dict) else None
    named = messages.get("templates") if isinstance(messages, dict) else None
    return path.parent / named if isinstance(named, str) and named else None
