"""What the head of a request says, and what is refused by it alone: before a byte of the body is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from connectors.protocols import Receiver

from .answer import CLOSE, Answer

__all__ = ["Head", "refused"]

MAX_BYTES = 16 * 1024
"""All headers together; a channel's head has one or two kB. What is kept with a raw delivery is a part of it."""
MAX_NAME = 255
"""Characters of an event id or a topic."""
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{43}=")
"""base64 of 32 bytes."""


class Head(NamedTuple):
    """Header names are lower case; ``repeated``: names that came more than once; ``size``: bytes of all; ``peer``: who sent it."""

    headers: Mapping[str, str]
    repeated: frozenset[str] = frozenset()
    size: int = 0
    peer: str = ""

    @classmethod
    def read(cls, raw: Iterable[tuple[bytes, bytes]]) -> Head:
        """From ASGI's headers. A name that came twice has its last value; those of ``X-Forwarded-For`` are one list."""
        found: dict[str, str] = {}
        repeated: set[str] = set()
        size = 0
        for key, content in raw:
            size += len(key) + len(content)
            name, value = key.decode("latin-1").lower(), content.decode("latin-1")
            if name in found:
                repeated.add(name)
                if name == "x-forwarded-for":
                    value = f"{found[name]},{value}"
            found[name] = value
        return cls(found, frozenset(repeated), size)


def refused(receiver: Receiver, head: Head) -> Answer | None:
    """The answer to a head that can't belong to a genuine delivery, else None."""
    if head.size > MAX_BYTES:
        return Answer(431, "headers", f"the headers are more than {MAX_BYTES} bytes", CLOSE)
    for name in (receiver.signature_header, *receiver.named_by, "content-encoding", "content-length"):
        if name in head.repeated:
            return Answer(400, "unreadable", f"the header {name} came twice", CLOSE)
    if not _SIGNATURE.fullmatch(head.headers.get(receiver.signature_header, "")):
        reason = "is not base64 of 32 bytes" if head.headers.get(receiver.signature_header) else "is missing"
        return Answer(401, "signature", f"the header {receiver.signature_header} {reason}", CLOSE)
    for name in receiver.named_by:
        if len(head.headers.get(name, "")) > MAX_NAME:
            return Answer(400, "unreadable", f"the header {name} has more than {MAX_NAME} characters", CLOSE)
    return None
