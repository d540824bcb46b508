"""Who may read: whoever has the token of this WHARF_HOME, and no web page."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from ops.servers.token import FILE

from .errors import AUTHENTICATION_FAILED, ClickHouseError

__all__ = ["authenticate", "from_page"]


def from_page(headers: Mapping[str, str]) -> str:
    """Why a request comes from a web page, ``""`` if it does not: browsers say so in Origin and Sec-Fetch-Site."""
    site = headers.get("Sec-Fetch-Site", "none").lower()
    if site not in ("none", "same-origin"):
        return f"Sec-Fetch-Site: {site}: web pages may not read here"
    origin = headers.get("Origin", "")
    if origin and urlsplit(origin).netloc.lower() != headers.get("Host", "").lower():
        return f"Origin {origin[:100]}: web pages may not read here"
    return ""


def authenticate(headers: Mapping[str, str], arguments: Mapping[str, str], token: str) -> None:
    """Return if the password is the token, given in one of ClickHouse's ways; the user's name does not matter.

    Raises ClickHouseError (516, HTTP status 401).
    """
    given = headers.get("X-ClickHouse-Key") or _basic(headers.get("Authorization", "")) or arguments.get("password", "")
    if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        raise ClickHouseError(
            AUTHENTICATION_FAILED,
            f"Authentication failed: the password is in {FILE} of WHARF_HOME (any user name); "
            'curl takes it as -H "X-ClickHouse-Key: $(cat .wharf/' + FILE + ')"',
        )


def _basic(authorization: str) -> str:
    kind, _, rest = authorization.partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    try:
        text = base64.b64decode(rest, validate=True).decode() if kind.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[2]
