"""Reading a request's body within its limits of size."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable

from connectors.protocols import Unreadable

__all__ = ["TooMuch", "UnknownEncoding", "decoded", "read"]

_RATIO, _RATIO_FREE = 100, 64 * 1024
"""A body may unpack to a hundred times its size; below 64 kB nobody asks. (JSON comes to ten or twenty.)"""


class TooMuch(Exception):
    """A body beyond the limit: answered with 413."""


class UnknownEncoding(Exception):
    """An encoding that is not known: answered with 415."""


async def read(
    chunks: AsyncIterator[bytes], announced: str | None, cap: int, hold: Callable[[int], None] = lambda _: None
) -> bytes:
    """All of a body. ``announced``: the Content-Length header, refused before a byte is read where it is beyond ``cap``.

    ``hold`` is told of each piece before it is kept. Raises TooMuch, and what ``hold`` raises.
    """
    if announced and announced.isascii() and announced.isdecimal() and (len(announced) > 18 or int(announced) > cap):
        raise TooMuch(f"a body of {announced[:18]} bytes is more than {cap}")
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > cap:
            raise TooMuch(f"the body is more than {cap} bytes")
        hold(len(chunk))
        parts.append(chunk)
    return b"".join(parts)


def decoded(body: bytes, encoding: str, cap: int) -> bytes:
    """The body without its Content-Encoding; never more than ``cap`` bytes are unpacked, whatever a few bytes claim to hold.

    Raises TooMuch, Unreadable, UnknownEncoding.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise UnknownEncoding(f"content encoding {encoding[:40]!r}: only gzip is understood")
    cap = min(cap, max(_RATIO_FREE, _RATIO * len(body)))
    unpacker = zlib.decompressobj(wbits=31)
    try:
        out = unpacker.decompress(body, cap + 1)
    except zlib.error as e:
        raise Unreadable(f"the body is not gzip: {e}") from e
    if len(out) > cap:
        raise TooMuch(f"the body unpacks to more than {cap} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise Unreadable("the gzip body is cut off or followed by something else")
    return out
