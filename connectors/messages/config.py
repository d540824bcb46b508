"""How customers are reached: the ``messages`` part of ``wharf.yaml``."""

from __future__ import annotations

import re
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .addresses import email_address

__all__ = ["AppriseGateway", "Brand", "HttpGateway", "MailServer", "Messages"]


def _mailbox(text: str) -> str:
    name, address = parseaddr(text)
    if any(ord(c) < 32 for c in text):
        raise ValueError(f"{text!r}: no line breaks")
    return str(Address(name, addr_spec=email_address(address)))


class Brand(BaseModel):
    """Who writes: what templates call ``shop``, and the sender of mails (``Name <address>``). ``contact``: where customers ask."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field("Shop", min_length=1, max_length=60)
    url: str = Field("", pattern=r"^(https?://[^\s\"'<>]+)?$")
    contact: str = Field("", max_length=120)
    sender: str = ""
    reply_to: str = ""

    @field_validator("name", "contact")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if any(ord(name) < 32 for name in text):
            raise ValueError("no line breaks")
        return text

    @field_validator("sender", "reply_to")
    @classmethod
    def _address(cls, text: str) -> str:
        return _mailbox(text) if text else ""


class MailServer(BaseModel):
    """The SMTP server. ``security``: ``starttls`` (587), ``tls`` (465), ``none`` (only on this machine). ``ca_file``: its own authority's."""

    model_config = ConfigDict(extra="forbid")
    host: str = Field(min_length=1)
    port: int = Field(0, ge=0, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = Field("", repr=False)
    timeout_seconds: float = Field(20.0, gt=0, le=300)
    connections: int = Field(4, ge=1, le=16)
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _not_in_the_open(self) -> MailServer:
        if self.security == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"security none with {self.host}: customers' data would go unencrypted; starttls or tls")
        if not self.port:
            self.port = {"starttls": 587, "tls": 465, "none": 25}[self.security]
        return self


class HttpGateway(BaseModel):
    """Any gateway with an HTTP API, one request a message. In ``url``, ``headers`` and ``body``: ``{to}`` (E.164), ``{digits}`` (without the +),
    ``{text}``, ``{id}`` (the message's own, the same in a repeat), ``{template}``, ``{language}``.

    ``form``: the body's fields go form-encoded instead of JSON. ``id_header``: gets ``{id}`` too, for gateways that drop repeats by it.
    ``reference``: the path to the gateway's own id in a JSON answer, as ``messages.0.id``.
    """

    model_config = ConfigDict(extra="forbid")
    kind: Literal["http"] = "http"
    url: str = Field(pattern=r"^https?://[^\s]+$")
    headers: dict[str, str] = Field({}, repr=False)
    body: dict[str, Any] = {"to": "{to}", "text": "{text}"}
    form: bool = False
    id_header: str = Field("Idempotency-Key", pattern=r"^[A-Za-z0-9-]*$")
    reference: str = ""
    timeout_seconds: float = Field(20.0, gt=0, le=300)

    @model_validator(mode="after")
    def _not_in_the_open(self) -> HttpGateway:
        if self.url.startswith("http://") and not re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])[:/]", self.url):
            raise ValueError("http:// only to this machine: customers' data would go unencrypted")
        return self


class AppriseGateway(BaseModel):
    """A service that Apprise knows, by its URL with ``{to}`` (E.164) or ``{digits}`` in it: ``twilio://SID:TOKEN@+31970000000/{to}``.

    Apprise says only whether it worked: a failure is always tried again, and there is no key by which a repeat is known.
    """

    model_config = ConfigDict(extra="forbid")
    kind: Literal["apprise"]
    url: str = Field(repr=False)
    timeout_seconds: float = Field(20.0, gt=0, le=300)

    @field_validator("url")
    @classmethod
    def _names_the_customer(cls, url: str) -> str:
        if "{to}" not in url and "{digits}" not in url:
            raise ValueError("{to} or {digits} is missing: where the customer's number goes")
        return url


Gateway = Annotated[HttpGateway | AppriseGateway, Field(discriminator="kind")]


class Messages(BaseModel):
    """``messages`` of ``wharf.yaml``. ``brands``: by account (``shopify:acme``), for shops that write in their own name. ``templates``: a folder
    of your own texts, laid over the ones that come with Wharfinger.
    """

    model_config = ConfigDict(extra="forbid")
    brand: Brand = Field(default_factory=lambda: Brand.model_validate({}))
    brands: dict[str, Brand] = {}
    templates: Path | None = None
    mail: MailServer | None = None
    sms: Gateway | None = None
    whatsapp: Gateway | None = None

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Messages:
        if self.mail is not None and not self.brand.sender:
            raise ValueError("brand.sender is missing: the address mails come from, as 'Acme <orders@acme.example>'")
        return self

    def brand_of(self, order_key: str) -> Brand:
        """Who writes to the customer of an order; what an account's brand leaves out is the general one's."""
        account = ":".join(order_key.split(":", 2)[:2])
        own = self.brands.get(account)
        if own is None:
            return self.brand
        return self.brand.model_copy(update=own.model_dump(exclude_unset=True))
