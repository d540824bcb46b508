"""What a process is told from outside: environment variables and ``wharf.yaml``. Secrets come only from the environment or files, and no error shows one."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from connectors.bol.config import BolAccount
from connectors.carriers.config import CarrierAccount
from connectors.messages.config import Messages
from connectors.portal.config import PortalAccount
from connectors.shopify.config import ShopifyAccount
from connectors.threepl.config import ThreePl
from ops import clock
from ops.errors import UserError
from ops.secrets import Expanded, Missing, expand
from ops.yaml.formats import closest
from ops.yaml.source import Problem, Source, read

__all__ = ["ConfigError", "Connections", "Settings", "load_connections", "own_texts"]

_PREFIX = "WHARF_"
_DSN = ("clickhouse", "clickhouses", "http", "https")


class ConfigError(ValueError):
    """A configuration that can't be used; the message names the file, the field and the way out."""


class Settings(BaseSettings):
    """Environment variables, all with the prefix ``WHARF_``. Raises UserError naming the variable, without its value."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore")

    home: Path = Field(default=Path(".wharf"), description="Where the embedded servers keep their data")
    kafka: str = Field(default="", description="host:port of real brokers; empty = the embedded one")
    kafka_config: dict[str, str] = Field(
        default_factory=dict, description="More librdkafka properties, as JSON (SASL, TLS)"
    )
    clickhouse: str = Field(default="", description="clickhouse-connect DSN of a real server; empty = the embedded one")
    registry: str = Field(default="", description="URL of a Confluent-compatible schema registry; empty = none")
    config: Path = Field(default=Path("wharf.yaml"), description="Connections to channels and 3PLs")
    rules: Path = Field(default=Path("rules.yaml"), description="Put in force by `wharf up` where no rules are yet")
    partitions: int = Field(default=4, ge=1, le=1000, description="Partitions of the topics that Wharfinger creates")
    clock: str = Field(default="", description="START@ORIGIN_MS*SPEED, for demonstrations only")
    log_level: str = "INFO"

    def __init__(self, **values: Any) -> None:
        """The only place where settings are read, so that no caller can show what was set."""
        try:
            super().__init__(**values)
        except SettingsError as e:  # its field is in its words only, its cause holds the value
            name = next((n for n in type(self).model_fields if f'"{n}"' in str(e)), "")
            raise UserError(f"{_PREFIX}{name.upper()}: {_FORMS.get(name, 'it can not be read')}") from None
        except ValidationError as e:
            raise UserError("; ".join(_setting(err) for err in e.errors(include_input=False))) from None

    @property
    def labels(self) -> Path:
        """Where return labels are kept."""
        return self.home / "labels"

    @field_validator("home")
    @classmethod
    def _named(cls, home: Path) -> Path:
        if str(home) == "." or "\0" in str(home):
            raise ValueError("a directory of its own is needed, as .wharf")
        return home

    @field_validator("kafka")
    @classmethod
    def _brokers(cls, text: str) -> str:
        if text and not all(re.fullmatch(r"\s*[^\s,/@]+:[0-9]{1,5}\s*", part) for part in text.split(",")):
            raise ValueError("HOST:PORT is needed, several with a comma; user and password go into WHARF_KAFKA_CONFIG")
        return text

    @field_validator("clickhouse")
    @classmethod
    def _dsn(cls, text: str) -> str:
        if text:
            _url(text, _DSN, "clickhouse://USER:PASSWORD@HOST:PORT/DATABASE")
        return text

    @field_validator("registry")
    @classmethod
    def _address(cls, text: str) -> str:
        if text:
            _url(text, ("http", "https"), "https://HOST:PORT")
        return text

    @field_validator("log_level")
    @classmethod
    def _level(cls, text: str) -> str:
        known = list(logging.getLevelNamesMapping())
        if text.upper() not in known:
            raise ValueError(f"one of {', '.join(known)} is needed")
        return text

    @field_validator("clock")
    @classmethod
    def _runs(cls, text: str) -> str:
        try:
            clock.from_setting(text)
        except (ValueError, OverflowError):
            raise ValueError(
                "START@ORIGIN_MS*SPEED is needed, as 2026-11-23T07:00:00+00:00@1760000000000*600"
            ) from None
        return text


_FORMS = {"kafka_config": 'a JSON object of texts is needed, as {"security.protocol": "SASL_SSL"}'}


def _url(text: str, schemes: tuple[str, ...], form: str) -> None:
    """Raises ValueError with the form, never with the text."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"{form} is needed (special characters of a password as %XX)")


def _setting(error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    said = error["msg"].removeprefix("Value error, ")
    return f"{_PREFIX}{name.upper()}: {_FORMS.get(name, said)}"


Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
"""Of an account or a 3PL: a part of addresses, of order keys and of the headers of records."""
_NAME = "this name is no 1 to 40 small letters, digits and '-'"


class Channels(BaseModel):
    model_config = ConfigDict(extra="forbid")
    shopify: dict[Name, ShopifyAccount] = {}
    bol: dict[Name, BolAccount] = {}
    portal: dict[Name, PortalAccount] = {}


class Connections(BaseModel):
    """``wharf.yaml``: accounts by channel and name, 3PLs by name (the ``wms`` of a depot), carriers of return labels by name, how
    customers are told.
    """

    model_config = ConfigDict(extra="forbid")
    channels: Channels = Channels()
    threepl: dict[Name, ThreePl] = {}
    carriers: dict[Name, CarrierAccount] = {}
    messages: Messages | None = None


def load_connections(path: Path) -> Connections:
    """Read ``wharf.yaml``; ``${NAME}`` is an environment variable, ``${file:/path}`` a file's text. No file means no connections.

    Raises ConfigError naming the file and, of everything that is wrong, line, column and field.
    """
    if not path.exists():
        return Connections()
    source = _source(path)
    try:
        expanded = expand(source.data or {})
        found = Connections.model_validate(expanded.data)
    except Missing as e:
        raise ConfigError(source.problem(e.path, str(e)).text(str(path))) from None
    except ValidationError as e:
        problems = [_problem(source, err, expanded) for err in e.errors(include_input=False)]
        raise ConfigError("\n".join(dict.fromkeys(problem.text(str(path)) for problem in problems))) from None
    if found.messages is not None and found.messages.templates is not None:
        found.messages.templates = path.parent / found.messages.templates
    return found


def own_texts(path: Path) -> Path | None:
    """The folder of the merchant's own texts (``messages.templates``), without anything else of ``wharf.yaml``: who checks rules need not hold
    its secrets. None: there is none named. Raises ConfigError where the file is no YAML.
    """
    if not path.exists():
        return None
    data = _source(path).data
    messages = data.get("messages") if isinstance(data, dict) else None
    named = messages.get("templates") if isinstance(messages, dict) else None
    return path.parent / named if isinstance(named, str) and named else None


def _source(path: Path) -> Source:
    try:
        source = read(path)
    except UserError as e:
        raise ConfigError(str(e)) from e
    if isinstance(source, Problem):
        raise ConfigError(source.text(str(path)))
    return source


def _problem(source: Source, error: Any, expanded: Expanded) -> Problem:
    """pydantic's error as one of a file: its place, what is wrong without any secret, the way out."""
    path = tuple(step for step in error["loc"] if step != "[key]")
    if "[key]" in error["loc"]:
        return source.problem(path, _NAME, "as acme-nl")
    if error["type"] == "extra_forbidden":
        return source.problem(path, "there is no such field", closest(path[-1], _known()))
    said = {"missing": "is missing", "model_type": "a group of fields is needed"}.get(error["type"], error["msg"])
    return source.problem(path, expanded.without_secrets(said.removeprefix("Value error, ")))


@lru_cache(maxsize=1)
def _known() -> list[str]:
    """The names of all fields of ``wharf.yaml``."""
    groups = [Connections.model_json_schema(), *Connections.model_json_schema()["$defs"].values()]
    return sorted({name for group in groups for name in group.get("properties", {})})
