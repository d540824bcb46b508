"""Avro's numbers: zigzag, then seven bits a byte, the least first. What the generated readers and writers fall back to.

One byte is read inline by the generated code; these functions take what is longer, negative or wrong. None allocates by a
length it has read before it has compared it with the bytes that are there.
"""

from __future__ import annotations

__all__ = ["LENGTHS", "Malformed", "read_count", "read_long", "read_span", "write_long"]

INT64 = 1 << 63
_REMEMBERED = 8192
_READ: dict[bytes, int] = {}
_WRITTEN: dict[int, bytes] = {}
_CONTINUED = sum(128 << 7 * i for i in range(5))


class Malformed(ValueError):
    """Bytes that are no Avro of the expected kind; ``code`` is stable: truncated, length, varint, count, union, boolean."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_long(b: bytes, p: int) -> tuple[int, int]:
    """The number at ``p`` and the position after it. Raises Malformed (not 64 bits) and IndexError (the bytes end)."""
    # A clock in ms is six bytes until the year 2039; the same ones come again and again, in a record and from one to the next.
    six = b[p : p + 6]
    known = _READ.get(six)
    if known is not None:
        return known, p + 6
    if len(six) == 6:
        b0, b1, b2, b3, b4, b5 = six
        if b0 & b1 & b2 & b3 & b4 & 128 and b5 < 128:
            z = b0 + (b1 << 7) + (b2 << 14) + (b3 << 21) + (b4 << 28) + (b5 << 35) - _CONTINUED
            if len(_READ) >= _REMEMBERED:
                _READ.clear()
            value = _READ[six] = (z >> 1) ^ -(z & 1)
            return value, p + 6
    z = shift = 0
    while True:
        byte = b[p]
        p += 1
        z |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise Malformed("varint", "a number of more than ten bytes")
    if z >> 64:
        raise Malformed("varint", "a number of more than 64 bits")
    return (z >> 1) ^ -(z & 1), p


def read_span(b: bytes, p: int) -> tuple[int, int]:
    """Begin and end of the text or bytes whose length is at ``p``. Raises as ``read_long``, and Malformed for an impossible length."""
    n, p = read_long(b, p)
    if n < 0:
        raise Malformed("length", f"a length of {n}")
    if n > len(b) - p:
        raise Malformed("truncated", f"{n} bytes announced, {len(b) - p} left")
    return p, p + n


def read_count(b: bytes, p: int) -> tuple[int, int]:
    """Twice the number of items in the block at ``p`` (as one byte would hold it), and the position of the first.

    A negative count is followed by the block's size in bytes, which a reader that skips nothing has no use for. Every item
    takes a byte at least, so that a count above the bytes left is wrong. Raises as ``read_long``, and Malformed for that.
    """
    n, p = read_long(b, p)
    if n < 0:
        n = -n
        _, p = read_long(b, p)
    if n > len(b) - p:
        raise Malformed("count", f"{n} items announced, {len(b) - p} bytes left")
    return n << 1, p


def _plain(z: int) -> bytes:
    out = bytearray()
    while z > 127:
        out.append(z & 127 | 128)
        z >>= 7
    out.append(z)
    return bytes(out)


_PLAIN = [_plain(z) for z in range(16384)]
LENGTHS = _PLAIN[::2]
"""The bytes of 0 … 8191: lengths, quantities, most amounts."""

_LOW = [bytes((z & 127 | 128, z >> 7 | 128)) for z in range(16384)]


def write_long(n: int) -> bytes:
    """The bytes of ``n``. Raises OverflowError beyond 64 bits, TypeError for what is no whole number."""
    known = _WRITTEN.get(n)
    if known is not None and n.__class__ is int:  # 1.0 would be found under 1
        return known
    z = n << 1 if n >= 0 else ~(n << 1)
    if 1 << 35 <= z < 1 << 42:  # a clock in ms until 2039: three look-ups
        if len(_WRITTEN) >= _REMEMBERED:
            _WRITTEN.clear()
        value = _WRITTEN[n] = _LOW[z & 16383] + _LOW[z >> 14 & 16383] + _PLAIN[z >> 28]
        return value
    if not -INT64 <= n < INT64:
        raise OverflowError(f"{n} does not fit into 64 bits")
    return _plain(z)
