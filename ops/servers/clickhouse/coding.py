"""HTTP content codings, as ClickHouse names them; ``lz4`` is the LZ4 frame format."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import lz4.frame  # type: ignore[import-untyped]

from .errors import BAD_ARGUMENTS, QUERY_TOO_LARGE, ClickHouseError

try:
    from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
except ImportError:
    from backports import zstd

__all__ = ["choose", "encode", "unpack"]

_ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda b: bytes(zstd.compress(b, 3)),
    "lz4": lambda b: bytes(lz4.frame.compress(b)),
    "gzip": lambda b: gzip.compress(b, 3),
    "deflate": lambda b: zlib.compress(b, 3),
}


def choose(accept: str) -> str:
    """The coding for an ``Accept-Encoding``: ours in the order zstd, lz4, gzip, deflate; ``""`` for none. ``q=0`` refuses one."""
    offered = set()
    for part in accept.lower().split(","):
        name, _, rest = part.strip().partition(";")
        if rest.replace(" ", "") not in ("q=0", "q=0.0"):
            offered.add(name.strip())
    return next((coding for coding in _ENCODE if coding in offered), "")


def encode(body: bytes, coding: str) -> bytes:
    """Compress a response's body in this coding."""
    return _ENCODE[coding](body)


_DECODE: dict[str, Callable[[], Any]] = {
    "zstd": zstd.ZstdDecompressor,
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "gzip": lambda: zlib.decompressobj(31),
    "deflate": zlib.decompressobj,
}


def unpack(body: bytes, coding: str, limit: int) -> bytes:
    """Decompress a request, to at most ``limit`` bytes. Raises ClickHouseError."""
    if coding in ("", "identity"):
        return body
    if coding not in _DECODE:
        raise ClickHouseError(BAD_ARGUMENTS, f"Unknown Content-Encoding {coding}: use zstd, lz4, gzip or deflate")
    decoder = _DECODE[coding]()
    try:
        out = bytes(decoder.decompress(body, limit + 1))
    except (zlib.error, RuntimeError, zstd.ZstdError) as e:
        raise ClickHouseError(BAD_ARGUMENTS, f"The body is not {coding}: {e}") from e
    if len(out) > limit:
        raise ClickHouseError(QUERY_TOO_LARGE, f"The query is longer than {limit} bytes")
    if not decoder.eof or decoder.unused_data:
        raise ClickHouseError(BAD_ARGUMENTS, f"The body is not {coding}, ends too early, or something follows it")
    return out
