"""Text on a label: what a font can show, in the largest size that fits."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import msgspec
from anyascii import anyascii
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from domain.records.values import Address

__all__ = [
    "BOLD",
    "LEADING",
    "REGULAR",
    "Fitted",
    "Line",
    "address_block",
    "address_lines",
    "fit",
    "latin",
    "shown",
    "width",
]

REGULAR, BOLD = "WharfSans", "WharfSans-Bold"
_FILES = {REGULAR: "DejaVuSansCondensed.ttf", BOLD: "DejaVuSansCondensed-Bold.ttf"}
LEADING = 1.22
_SCRIPTS = ("LATIN", "GREEK", "CYRILLIC")
"""What is printed as it is. Other scripts are transliterated: sorting machines and couriers here read no others."""
_SMALLEST = 0.55
"""The smallest size, as a share of the wanted one, before a line is broken or cut."""


class Fitted(msgspec.Struct, frozen=True):
    """Lines that fit their width at ``size`` (points or dots, as was asked)."""

    lines: list[str]
    size: float


@cache
def _glyphs(font: str) -> frozenset[int]:
    face = TTFont(font, Path(__file__).parent / "fonts" / _FILES[font])
    pdfmetrics.registerFont(face)
    return frozenset(face.face.charToGlyph)


def _char(text: str, scripts: tuple[str, ...], glyphs: frozenset[int]) -> str:
    category = unicodedata.category(text)
    if category.startswith(("C", "Z")):  # controls, formats (directions!), separators: one space
        return " "
    name = unicodedata.name(text, "")
    alphabetic = category[0] in "LM"
    if ord(text) in glyphs and (not alphabetic or name.startswith(scripts) or text in "ªº"):
        return text
    return str(anyascii(text))


def shown(text: str, font: str = REGULAR) -> str:
    """``text`` in characters that the font has: other scripts become Latin letters, controls and runs of blanks one blank."""
    glyphs = _glyphs(font)
    normal = unicodedata.normalize("NFC", text)
    return " ".join("".join(_char(name, _SCRIPTS, glyphs) for name in normal).split())


def latin(text: str) -> str:
    """``text`` in Latin letters only, for printers whose built-in font has no others."""
    glyphs = _glyphs(BOLD)
    normal = unicodedata.normalize("NFC", text)
    return " ".join("".join(_char(name, _SCRIPTS[:1], glyphs) for name in normal).split())


def width(text: str, size: float, font: str = REGULAR) -> float:
    """How wide a text is, in the unit of ``size``."""
    _glyphs(font)
    return float(pdfmetrics.stringWidth(text, font, size))


def _broken(text: str, size: float, most: float, font: str) -> list[str]:
    """Lines broken at blanks; a word that is too long by itself is broken inside."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width(longer, size, font) <= most:
            lines[-1] = longer
            continue
        rest = word
        if lines[-1]:
            lines.append("")
        while width(rest, size, font) > most:
            cut = next(n for n in range(len(rest) - 1, 0, -1) if width(rest[:n], size, font) <= most or n == 1)
            lines[-1], rest = rest[:cut], rest[cut:]
            lines.append("")
        lines[-1] = rest
    return lines


def _cut(text: str, size: float, most: float, font: str) -> str:
    while text and width(f"{text}…", size, font) > most:
        text = text[:-1]
    return f"{text.rstrip()}…"


def fit(text: str, size: float, most: float, font: str = REGULAR, rows: int = 1) -> Fitted:
    """``text`` in at most ``rows`` lines of at most ``most`` wide: smaller first, then broken, cut with … only at the very last."""
    one = width(text, size, font)
    if one <= most:
        return Fitted([text], size)
    if (smaller := size * most / one * 0.999) >= size * 0.8:
        return Fitted([text], smaller)
    for share in (1.0, 0.9, 0.8, 0.7, _SMALLEST):
        lines = _broken(text, size * share, most, font)
        if len(lines) <= rows:
            return Fitted(lines, size * share)
    least = size * _SMALLEST
    lines = _broken(text, least, most, font)
    return Fitted([*lines[: rows - 1], _cut(" ".join(lines[rows - 1 :]), least, most, font)], least)


def address_lines(address: Address) -> list[str]:
    """An address as it is written on a parcel here: the postcode before the city, the country's code last."""
    place = " ".join(text for text in (address.postcode, address.city) if text)
    region = f"{place}, {address.region}" if address.region else place
    return [
        text
        for text in (address.name, address.company, address.street1, address.street2, region, address.country)
        if text.strip()
    ]


class Line(msgspec.Struct, frozen=True):
    """One line of a block: text, size and font."""

    text: str
    size: float
    font: str


def address_block(
    address: Address, size: float, most: float, height: float, *, strong: bool, latin_only: bool
) -> list[Line]:
    """An address set within a box: all of it smaller where it is too long. ``strong``: name and country in bold.

    Each line takes ``LEADING`` times its size.
    """
    lines = [
        address_line
        for address_line in ((latin if latin_only else shown)(address_line) for address_line in address_lines(address))
        if address_line
    ]
    fonts = [BOLD if strong and i in (0, len(lines) - 1) else REGULAR for i in range(len(lines))]
    for share in range(100, 30, -5):
        wanted = size * share / 100
        fitted = [fit(text, wanted, most, name, rows=2) for text, name in zip(lines, fonts, strict=True)]
        if sum(len(f.lines) * f.size * LEADING for f in fitted) <= height:
            break
    return (
        [Line(text, f.size, font) for f, font in zip(fitted, fonts, strict=True) for text in f.lines] if lines else []
    )
