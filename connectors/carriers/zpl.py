"""A return label in ZPL II, for printers of 203 dpi (8 dots a mm) with labels of 105 × 148 mm.

Commands as in Zebra's ZPL II Programming Guide: ``^CI28`` UTF-8, ``^FH_`` hexadecimal escapes in the next field, ``^BC`` Code 128,
``^BQ`` QR code. All text is escaped, so no field can hold a command; the file is plain ASCII.
"""

from __future__ import annotations

import string

from domain.records.values import Address

from .base import LabelRequest
from .text import BOLD, LEADING, address_block, fit, latin

__all__ = ["field", "render_zpl"]

_DOTS = 8
_PLAIN = frozenset(string.ascii_letters + string.digits + " .,:;/+-()'#&%@!?*=")
_BAR_X = (105 * _DOTS - 3 * 167) // 2
"""Two letters and 18 digits are 167 modules of 3 dots: in the middle."""
_EDGE, _INNER, _INDENT = 5 * _DOTS, 95 * _DOTS, 11 * _DOTS


def field(text: str) -> str:
    """Field data after ``^FH_``: all but plain characters as the hexadecimal of their UTF-8 bytes."""
    return "".join(name if name in _PLAIN else "".join(f"_{number:02X}" for number in name.encode()) for name in text)


def render_zpl(request: LabelRequest, carrier: str, tracking_number: str) -> str:
    """The label, as ``render_pdf`` shows it; text in Latin letters, which every printer's font 0 has."""
    paid = "Postage paid by receiver" if request.payer == "merchant" else "Postage at the sender's expense"
    commands = [
        "^XA",
        "^CI28",
        f"^PW{105 * _DOTS}",
        f"^LL{148 * _DOTS}",
        "^LH0,0",
        _text(_EDGE, 6, carrier, 44, _INNER * 0.62),
        _text(75 * _DOTS, 6, "RETURN", 44, 25 * _DOTS),
        _text(_EDGE, 13, " · ".join(text for text in (paid, request.service) if text), 24, _INNER),
        _rule(18),
        _text(_EDGE, 20, "FROM", 18, _INDENT),
        *_address(request.sender, 20, 26, 24),
        _rule(47),
        _text(_EDGE, 50, "TO", 18, _INDENT),
        *_address(request.receiver, 50, 38, 33),
        _rule(86),
        _text(_EDGE, 89, "ORDER", 18, _INNER),
        _text(_EDGE, 92, request.order_name, 38, 62 * _DOTS),
        _text(_EDGE, 100, "RMA", 18, _INNER),
        _text(_EDGE, 103, request.rma_id, 38, 62 * _DOTS),
        # MA, : error correction M, the printer finds the character mode itself.
        f"^FO{73 * _DOTS},{88 * _DOTS}^BQN,2,{_magnification(request.rma_id)}^FH_^FDMA,{field(request.rma_id)}^FS",
        # Mode A: the printer packs pairs of digits itself; no interpretation line, for ours is grouped.
        f"^FO{_BAR_X},{115 * _DOTS}^BY3,3,{22 * _DOTS}^BCN,{22 * _DOTS},N,N,N,A^FD{_code(tracking_number)}^FS",
        _text(_BAR_X, 140, tracking_number, 34, 60 * _DOTS),
        "^XZ",
    ]
    return "\n".join(commands) + "\n"


def _code(tracking_number: str) -> str:
    if not (tracking_number.isascii() and tracking_number.isalnum()):
        raise ValueError(f"tracking number {tracking_number!r}: only letters and digits go into the barcode")
    return tracking_number


def _magnification(text: str) -> int:
    """Dots a module, so that the code stays within 27 mm: version 2 up to 26 bytes, 4 up to 62, 6 up to 106 (level M)."""
    modules = next((number for n, number in ((26, 25), (62, 33), (106, 41)) if len(text.encode()) <= n), 57)
    return min(8, 27 * _DOTS // modules)


def _rule(number: int) -> str:
    return f"^FO{_EDGE},{number * _DOTS}^GB{_INNER},3,3^FS"


def _text(number: float, amount: float, text: str, size: float, most: float) -> str:
    fitted = fit(latin(text), size, most, BOLD)
    return _line(number, amount * _DOTS, fitted.lines[0], fitted.size)


def _line(number: float, amount: float, text: str, size: float) -> str:
    # Font 0 is narrower than the font that the width was measured with: what fits there fits here.
    return f"^FO{round(number)},{round(amount)}^A0N,{round(size)},{round(size)}^FH_^FD{field(text)}^FS"


def _address(address: Address, number: float, size: float, height: float) -> list[str]:
    block = address_block(address, size, _INNER - _INDENT, height * _DOTS, strong=True, latin_only=True)
    out, at = [], number * _DOTS
    for line in block:
        out.append(_line(_EDGE + _INDENT, at, line.text, line.size))
        at += line.size * LEADING
    return out
