"""A return label as a PDF: one A6 page, byte for byte the same for the same label."""

from __future__ import annotations

import io

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.code128 import Code128Auto
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.pagesizes import A6
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from domain.records.values import Address

from .base import LabelRequest
from .text import BOLD, LEADING, REGULAR, address_block, fit, shown

__all__ = ["render_pdf"]

_WIDTH, _HEIGHT = A6
_EDGE = 5 * mm
_INNER = _WIDTH - 2 * _EDGE
_INDENT = 11 * mm
_QR = 26 * mm
_BAR = 0.42 * mm
"""The narrowest bar: 16.5 mil, read by any scanner at arm's length."""


def render_pdf(request: LabelRequest, carrier: str, tracking_number: str) -> bytes:
    """The label: who pays, from, to, order and RMA (with a QR code of the RMA), and the tracking number as Code 128."""
    out = io.BytesIO()
    # invariant: no time and no random id in the file, so a label made again is the same file.
    page = Canvas(out, pagesize=A6, invariant=1, pageCompression=1)
    page.setTitle(f"Return label {shown(request.rma_id)}")
    page.setAuthor("Wharfinger")
    page.setSubject(tracking_number)
    _head(page, request, carrier)
    _address(page, "FROM", request.sender, top=126 * mm, size=8.5, height=24 * mm)
    _rule(page, 100 * mm)
    _address(page, "TO", request.receiver, top=95 * mm, size=13, height=32 * mm)
    _rule(page, 61.5 * mm)
    _order(page, request)
    _barcode(page, tracking_number)
    page.showPage()
    page.save()
    return out.getvalue()


def _text(page: Canvas, at_y: float, text: str, *, size: float, most: float, font: str = REGULAR) -> None:
    """One line from the left edge."""
    fitted = fit(shown(text, font), size, most, font)
    page.setFont(font, fitted.size)
    page.drawString(_EDGE, at_y, fitted.lines[0])


def _rule(page: Canvas, number: float) -> None:
    page.setLineWidth(0.8)
    page.line(_EDGE, number, _WIDTH - _EDGE, number)


def _head(page: Canvas, request: LabelRequest, carrier: str) -> None:
    _text(page, 137 * mm, carrier, size=15, most=_INNER * 0.65, font=BOLD)
    page.setFont(BOLD, 15)
    page.drawRightString(_WIDTH - _EDGE, 137 * mm, "RETURN")
    paid = "Postage paid by receiver" if request.payer == "merchant" else "Postage at the sender's expense"
    _text(page, 132 * mm, paid, size=8, most=_INNER * 0.6)
    if request.service:
        service = fit(shown(request.service), 8, _INNER * 0.38)
        page.setFont(REGULAR, service.size)
        page.drawRightString(_WIDTH - _EDGE, 132 * mm, service.lines[0])
    _rule(page, 130 * mm)


def _address(page: Canvas, title: str, address: Address, *, top: float, size: float, height: float) -> None:
    page.setFont(BOLD, 6.5)
    page.drawString(_EDGE, top, title)
    number = top - (size - 7)
    block = address_block(address, size, _INNER - _INDENT, height, strong=title == "TO", latin_only=False)
    for line in block:
        page.setFont(line.font, line.size)
        page.drawString(_EDGE + _INDENT, number, line.text)
        number -= line.size * LEADING


def _order(page: Canvas, request: LabelRequest) -> None:
    most = _INNER - _QR - 4 * mm
    for number, title, text in ((55, "ORDER", request.order_name), (44, "RMA", request.rma_id)):
        page.setFont(BOLD, 6.5)
        page.drawString(_EDGE, number * mm, title)
        _text(page, (number - 5) * mm, text, size=12, most=most, font=BOLD)
    code = QrCodeWidget(request.rma_id, barLevel="M", barBorder=4)
    left, low, right, high = code.getBounds()
    drawing = Drawing(_QR, _QR, transform=[_QR / (right - left), 0, 0, _QR / (high - low), 0, 0])
    drawing.add(code)
    renderPDF.draw(drawing, page, _WIDTH - _EDGE - _QR, 35 * mm)


def _barcode(page: Canvas, tracking_number: str) -> None:
    code = Code128Auto(tracking_number, barWidth=_BAR, barHeight=20 * mm, quiet=False)
    code.drawOn(page, (_WIDTH - code.width) / 2, 11.5 * mm)
    groups = " ".join([tracking_number[:2], *(tracking_number[i : i + 6] for i in range(2, len(tracking_number), 6))])
    page.setFont(BOLD, 11)
    page.drawCentredString(_WIDTH / 2, 6 * mm, groups)
