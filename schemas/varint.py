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


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """The number at ``position`` and the position after it. Raises Malformed (not 64 bits) and IndexError (the bytes end)."""
    # A clock in ms is six bytes until the year 2039; the same ones come again and again, in a record and from one to the next.
    six = data[position : position + 6]
    known = _READ.get(six)
    if known is not None:
        return known, position + 6
    if len(six) == 6:
        b0, b1, b2, b3, b4, b5 = six
        if b0 & b1 & b2 & b3 & b4 & 128 and b5 < 128:
            zigzag = b0 + (b1 << 7) + (b2 << 14) + (b3 << 21) + (b4 << 28) + (b5 << 35) - _CONTINUED
            if len(_READ) >= _REMEMBERED:
                _READ.clear()
            value = _READ[six] = (zigzag >> 1) ^ -(zigzag & 1)
            return value, position + 6
    zigzag = shift = 0
    while True:
        byte = data[position]
        position += 1
        zigzag |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise Malformed("varint", "a number of more than ten bytes")
    if zigzag >> 64:
        raise Malformed("varint", "a number of more than 64 bits")
    return (zigzag >> 1) ^ -(zigzag & 1), position


def read_span(data: bytes, position: int) -> tuple[int, int]:
    """Begin and end of the text or bytes whose length is at ``position``. Raises as ``read_long``, and Malformed for an impossible length."""
    length, position = read_long(data, position)
    if length < 0:
        raise Malformed("length", f"a length of {length}")
    if length > len(data) - position:
        raise Malformed("truncated", f"{length} bytes announced, {len(data) - position} left")
    return position, position + length


def read_count(data: bytes, position: int) -> tuple[int, int]:
    """Twice the number of items in the block at ``position`` (as one byte would hold it), and the position of the first.

    A negative count is followed by the block's size in bytes, which a reader that skips nothing has no use for. Every item
    takes a byte at least, so that a count above the bytes left is wrong. Raises as ``read_long``, and Malformed for that.
    """
    count, position = read_long(data, position)
    if count < 0:
        count = -count
        _, position = read_long(data, position)
    if count > len(data) - position:
        raise Malformed("count", f"{count} items announced, {len(data) - position} bytes left")
    return count << 1, position


def _plain(zigzag: int) -> bytes:
    out = bytearray()
    while zigzag > 127:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


_PLAIN = [_plain(z) for z in range(16384)]
LENGTHS = _PLAIN[::2]
"""The bytes of 0 … 8191: lengths, quantities, most amounts."""

_LOW = [bytes((z & 127 | 128, z >> 7 | 128)) for z in range(16384)]


def write_long(number: int) -> bytes:
    """The bytes of ``number``. Raises OverflowError beyond 64 bits, TypeError for what is no whole number."""
    known = _WRITTEN.get(number)
    if known is not None and number.__class__ is int:  # 1.0 would be found under 1
        return known
    zigzag = number << 1 if number >= 0 else ~(number << 1)
    if 1 << 35 <= zigzag < 1 << 42:  # a clock in ms until 2039: three look-ups
        if len(_WRITTEN) >= _REMEMBERED:
            _WRITTEN.clear()
        value = _WRITTEN[number] = _LOW[zigzag & 16383] + _LOW[zigzag >> 14 & 16383] + _PLAIN[zigzag >> 28]
        return value
    if not -INT64 <= number < INT64:
        raise OverflowError(f"{number} does not fit into 64 bits")
    return _plain(zigzag)
