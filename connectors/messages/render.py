"""From a message and its template to what is sent. Sandboxed: a template sees the message's own values and nothing of the process.

HTML is escaped as a whole, whatever a customer, channel or carrier put into a name; links are http(s) or left out; a subject is one line.
An undefined variable is an error (``check`` finds it before anything is sent), never an empty place in a mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from babel import Locale
from babel.dates import format_date, format_time, match_skeleton
from babel.numbers import format_currency
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, pass_context
from jinja2.runtime import Context

from domain.errors import Rejected
from domain.money import exponent
from domain.records.effects import CustomerMessage

from .addresses import web_address
from .bounds import BoundedEnvironment, budget
from .catalogue import Catalogue
from .config import Brand

__all__ = ["VARIABLES", "RenderError", "Rendered", "Renderer", "environment"]

_SHORT = 1000
"""Characters of an SMS or WhatsApp message: what is longer is a template gone wrong."""

VARIABLES = frozenset(
    [
        "order",
        "customer",
        "shop",
        "language",
        "words",
        "kind",
        "events",
        "complete",
        "reason",
        "lines",
        "parcels",
        "eta",
        "eta_before",
        "give_up_at",
        "valid_until",
        "amount",
        "tax",
        "fees",
        "rma",
    ]
)
"""What a template may use; ``body`` and ``subject`` only the layouts."""


class RenderError(ValueError):
    """A template that can't be made into a message; says which, and why."""


class Rendered(msgspec.Struct, frozen=True):
    """What is sent. ``subject`` and ``html`` only of mails."""

    text: str
    subject: str = ""
    html: str = ""


def _known(value: Any) -> None:
    """Babel takes None for today; here it is a template that forgot to ask whether there is a day at all."""
    if value is None:
        raise ValueError("it is not known in every such message: ask first, as {% if eta %}…{% endif %}")


@pass_context
def _money(context: Context, minor: int) -> str:
    _known(minor)
    currency = context["currency"]
    return format_currency(Decimal(minor).scaleb(-exponent(currency)), currency, locale=context["locale"])


@lru_cache(maxsize=64)
def _day_pattern(locale: Locale) -> str:
    """Weekday, day and month in full, in the locale's own order (CLDR's nearest pattern, its weekday widened)."""
    known = locale.datetime_skeletons
    nearest = match_skeleton("MMMMEEEEd", known) or "MMMMEEEd"
    return re.sub("E+", "EEEE", known[nearest].pattern)


def _in_words(day: date, locale: Locale) -> str:
    return str(format_date(day, _day_pattern(locale), locale=locale))


@pass_context
def _day(context: Context, day: date) -> str:
    _known(day)
    return _in_words(day, context["locale"])


@pass_context
def _moment(context: Context, at: datetime) -> str:
    _known(at)
    locale = context["locale"]
    return f"{_in_words(at, locale)} {format_time(at, 'short', locale=locale)}"


def environment(*, html: bool) -> BoundedEnvironment:
    """Where templates run, within bounds. Nothing is loaded: no include, no import."""
    env = BoundedEnvironment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    env.guard(money=_money, day=_day, moment=_moment, moment_day=_day)
    return env


class Renderer:
    """Templates compiled once each. Pure: the same message gives the same bytes."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._text, self._html = environment(html=False), environment(html=True)
        self._compiled: dict[tuple[str, bool], Template] = {}

    def render(self, message: CustomerMessage, brand: Brand) -> Rendered:
        """Raises RenderError, naming the template, language and part."""
        if message.medium != "mail":
            part = (
                "whatsapp"
                if message.medium == "whatsapp" and self.catalogue.find(message.language, message.template, "whatsapp")
                else "sms"
            )
            return Rendered(_short(self._part(message, brand, part), message))
        subject = " ".join(self._part(message, brand, "subject").split())
        body = self._part(message, brand, "text").strip()
        frame = {"subject": subject, "body": body}
        language = self._language(message, "text")
        text = self._run(self.catalogue.layouts["layout.txt.j2"], message, brand, language, "layout.txt", frame=frame)
        if self.catalogue.find(message.language, message.template, "html"):
            html = self._part(message, brand, "html", frame)
        else:
            html = self._run(
                self.catalogue.layouts["layout.html.j2"],
                message,
                brand,
                language,
                "layout.html",
                html=True,
                frame=frame,
            )
        if not subject:
            raise RenderError(f"{message.template} in {language}: its subject is empty")
        return Rendered(f"{text.strip()}\n", subject, f"{html.strip()}\n")

    def _language(self, message: CustomerMessage, part: str) -> str:
        found = self.catalogue.find(message.language, message.template, part)
        if found is None:
            raise RenderError(f"{message.template}: there is no such template with a {part}")
        return found[0]

    def _part(self, message: CustomerMessage, brand: Brand, part: str, frame: dict[str, str] | None = None) -> str:
        language = self._language(message, part)
        source = self.catalogue.own(language, message.template, part) or ""
        return self._run(source, message, brand, language, part, html=part == "html", frame=frame)

    def _run(
        self,
        source: str,
        message: CustomerMessage,
        brand: Brand,
        language: str,
        part: str,
        *,
        html: bool = False,
        frame: dict[str, str] | None = None,
    ) -> str:
        key = (source, html)
        try:
            if key not in self._compiled:
                self._compiled[key] = (self._html if html else self._text).from_string(source)
            values = _values(message, brand, language, self.catalogue.words(language))
            with budget():
                return self._compiled[key].render(**values, **(frame or {}))
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, Rejected) as e:
            where = f"{self.catalogue.file(language, message.template, part)}, line {_line_of(e)}"
            raise RenderError(f"{message.template} in {language}, {part} ({where}): {type(e).__name__}: {e}") from e
        except RecursionError as e:
            raise RenderError(
                f"{message.template} in {language}, {part}: macros that call each other without an end"
            ) from e


def _line_of(e: BaseException) -> int:
    """The line of the text where it went wrong, from 1."""
    if isinstance(e, TemplateSyntaxError):
        return e.lineno
    line, at = 1, e.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == "<template>":
            line = at.tb_lineno
        at = at.tb_next
    return line


def _short(text: str, message: CustomerMessage) -> str:
    one = " ".join(text.split())
    if not one or len(one) > _SHORT:
        raise RenderError(
            f"{message.template} in {message.language}: {len(one)} characters; a short message has 1 to {_SHORT}"
        )
    return one


# -- what templates see ------------------------------------------------------------------------------------------------
def _values(message: CustomerMessage, brand: Brand, language: str, words: dict[str, str]) -> dict[str, Any]:
    locale = Locale.parse(_locale_name(language, message.country))
    zone = ZoneInfo(message.timezone)
    at: Callable[[int], datetime | None] = lambda ms: datetime.fromtimestamp(ms / 1000, zone) if ms else None  # noqa: E731
    rma = (
        {"id": message.rma_id, "kind": message.rma_kind, "label_url": web_address(message.label_url)}
        if message.rma_id
        else None
    )
    return {
        "locale": locale,
        "currency": message.currency,
        "language": language,
        "words": words,
        "order": {"name": _line(message.order_name), "placed_at": at(message.placed_at), "total": message.total},
        "customer": _line(message.customer),
        "shop": {"name": brand.name, "url": brand.url, "contact": brand.contact},
        "kind": message.kind,
        "events": [message_cause.type for message_cause in message.causes],
        "complete": message.complete,
        "reason": _line(message.reason),
        "lines": [
            {
                "title": _line(line.title or line.sku),
                "sku": _line(line.sku),
                "qty": line.qty,
                "amount": line.amount,
                "state": line.state,
                "eta": _iso(line.eta),
                "note": _note(line.state, _iso(line.eta), words, locale),
            }
            for line in message.lines
        ],
        "parcels": [
            {
                "carrier": _line(parcel.carrier),
                "number": _line(parcel.tracking_number),
                "url": web_address(parcel.tracking_url),
            }
            for parcel in message.parcels
        ],
        "eta": _iso(message.eta),
        "eta_before": _iso(message.eta_before),
        "give_up_at": at(message.give_up_at),
        "valid_until": at(message.valid_until),
        "amount": message.amount,
        "tax": message.tax,
        "fees": message.fees,
        "rma": rma,
    }


def _locale_name(language: str, country: str) -> str:
    """The customer's own way of writing money and dates, where there is one for his language in his country."""
    try:
        Locale.parse(f"{language}_{country}")
    except Exception:  # babel raises several kinds for what it does not know
        return language
    return f"{language}_{country}"


def _iso(day: str) -> date | None:
    return date.fromisoformat(day) if day else None


def _line(text: str) -> str:
    """One line without control characters: what others wrote breaks out of nothing."""
    return " ".join("".join(name if name.isprintable() else " " for name in text).split())


def _note(state: str, eta: date | None, words: dict[str, str], locale: Locale) -> str:
    if state == "coming" or (state == "shipped" and eta):
        return words["coming"].replace("{day}", _in_words(eta, locale)) if eta else ""
    return words.get(state, "")
