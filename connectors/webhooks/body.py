"""Reading a request's body within its limits of size and time."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from connectors.base import Unreadable

__all__ = ["SlowBody", "TooMuch", "UnknownEncoding", "decoded", "read"]


class TooMuch(Exception):
    """413."""


class SlowBody(Exception):
    """408."""


class UnknownEncoding(Exception):
    """415."""


async def read(chunks: AsyncIterator[bytes], announced: str | None, cap: int, seconds: float) -> bytes:
    """All of a body. ``announced``: the Content-Length header, refused before a byte is read where it is beyond ``cap``.

    The deadline is for the whole body: a client that sends a byte a second does not hold a connection. Raises TooMuch, SlowBody.
    """
    if announced and announced.isdigit() and int(announced) > cap:
        raise TooMuch(f"a body of {announced} bytes is more than {cap}")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                size += len(chunk)
                if size > cap:
                    raise TooMuch(f"the body is more than {cap} bytes")
                parts.append(chunk)
    except TimeoutError as e:
        raise SlowBody(f"the body took more than {seconds:g} s") from e
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
