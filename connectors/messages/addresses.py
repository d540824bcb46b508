"""Addresses as they may go to a mail server or gateway: nothing in them can end a header, a command or a URL."""

from __future__ import annotations

import re

__all__ = ["BadAddress", "email_address", "phone_number", "web_address"]

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?", re.IGNORECASE)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_WEB = re.compile(r"https?://[^\s\x00-\x20\x7f\"'<>\\`{}|^]+", re.IGNORECASE)


class BadAddress(ValueError):
    """Nobody can be reached there."""


def email_address(text: str) -> str:
    """The address as SMTP takes it, the domain in ASCII (IDNA). Raises BadAddress. RFC 5321's limits; no quoted forms, no SMTPUTF8."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local.encode()) > 64 or local[0] == "." or ".." in f"{local}.":
        raise BadAddress(f"{_shown(text)} is no e-mail address")
    try:
        ascii_domain = domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        raise BadAddress(f"{_shown(text)} is no e-mail address: its domain is none") from None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or len(ascii_domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadAddress(f"{_shown(text)} is no e-mail address: its domain is none")
    return f"{local}@{ascii_domain}"


def phone_number(text: str) -> str:
    """The number in E.164. Raises BadAddress: it is the checks at the edge that make E.164 of what people type."""
    if not _E164.fullmatch(text):
        raise BadAddress(f"{_shown(text)} is no number in E.164, as +31612345678")
    return text


def web_address(text: str) -> str:
    """A link that may stand in a message: http or https, else ``""``. A carrier's or WMS's text never becomes script."""
    return text if _WEB.fullmatch(text) else ""


def _shown(text: str) -> str:
    """Enough to find the fault, not the person: errors go to logs and the DLQ."""
    head, at, domain = text.rpartition("@")
    masked = f"{head[:1]}…@{domain[-40:]}" if at else f"{text[:3]}…"
    return repr(masked)
