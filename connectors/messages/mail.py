"""Mail by SMTP: one message a mail, its Message-ID made of the effect's id.

SMTP has no idempotency key. A message is repeated where we do not learn that the server took it: the connection breaks (or the time-out
passes) between the end of the data and the server's 250, or we crash between that 250 and our commit. The repeat is the same to the byte, with the same
Message-ID: servers that look (Gmail, Exchange, Dovecot's Sieve ``duplicate``) show it once, and whoever reads a log sees that it is one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr

import aiosmtplib

from domain.records.effects import CustomerMessage, Effect, Sent

from .addresses import BadAddress, email_address
from .config import Brand, MailServer, Messages
from .render import Renderer, RenderError

__all__ = ["MailSender", "mail"]

_IDLE_SECONDS = 20.0
_OURS_TO_MEND = frozenset({421, 454, 530, 534, 535, 538})
"""Answers that speak of our account or of TLS, not of this message: nothing is lost while somebody mends them."""


def mail(effect: CustomerMessage, brand: Brand, renderer: Renderer) -> EmailMessage:
    """The mail: the same bytes each time it is made. Raises BadAddress or RenderError."""
    to = email_address(effect.to)
    rendered = renderer.render(effect, brand)
    domain = parseaddr(brand.sender)[1].rpartition("@")[2]
    made = EmailMessage(policy=SMTP_POLICY)
    made["From"] = brand.sender
    made["To"] = to
    if brand.reply_to:
        made["Reply-To"] = brand.reply_to
    made["Subject"] = rendered.subject
    made["Date"] = format_datetime(datetime.fromtimestamp(effect.time / 1000, UTC))
    made["Message-ID"] = f"<{effect.event_id}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office answers stay away
    made["Content-Language"] = effect.language
    made.set_content(rendered.text, cte="quoted-printable")
    made.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    made.set_boundary(f"wharf-{effect.event_id}")
    return made


class MailSender:
    """The sender ``message:mail``. Connections are kept for a while, for mails come in bursts."""

    def __init__(self, server: MailServer, messages: Messages, renderer: Renderer) -> None:
        self._server, self._messages, self._renderer = server, messages, renderer
        self._idle: deque[tuple[aiosmtplib.SMTP, float]] = deque()
        self._slots = asyncio.Semaphore(server.connections)

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt; 5yz answers to this message are final, 4yz and silence are not."""
        if not isinstance(effect, CustomerMessage):
            return Sent(ok=False, error=f"{type(effect).__name__} is no message", permanent=True)
        try:
            made = mail(effect, self._messages.brand_of(effect.order_key), self._renderer)
        except (BadAddress, RenderError) as e:
            return Sent(ok=False, error=str(e), permanent=True)
        try:
            async with self._slots, asyncio.timeout(self._server.timeout_seconds * 2):
                await self._deliver(made)
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ssl.SSLError) as e:
            return _failed(e)
        return Sent(ok=True, reference=str(made["Message-ID"]))

    async def close(self) -> None:
        """Close the connections that are open."""
        while self._idle:
            await _quit(self._idle.pop()[0])

    async def _deliver(self, made: EmailMessage) -> None:
        smtp = await self._connection()
        try:
            await smtp.send_message(made)
        except BaseException:
            smtp.close()
            raise
        self._idle.append((smtp, asyncio.get_running_loop().time()))

    async def _connection(self) -> aiosmtplib.SMTP:
        """One that is kept and still alive, else a new one: RSET asks before there is anything that could be sent twice."""
        while self._idle:
            smtp, since = self._idle.pop()
            if asyncio.get_running_loop().time() - since < _IDLE_SECONDS:
                try:
                    await smtp.rset()
                except (aiosmtplib.SMTPException, OSError):
                    smtp.close()
                else:
                    return smtp
            else:
                smtp.close()
        return await self._connect()

    async def _connect(self) -> aiosmtplib.SMTP:
        mail_server = self._server
        context = ssl.create_default_context(cafile=str(mail_server.ca_file) if mail_server.ca_file else None)
        smtp = aiosmtplib.SMTP(
            hostname=mail_server.host,
            port=mail_server.port,
            timeout=mail_server.timeout_seconds,
            use_tls=mail_server.security == "tls",
            start_tls=mail_server.security == "starttls",
            tls_context=context if mail_server.security != "none" else None,
            username=mail_server.username or None,
            password=mail_server.password or None,
        )
        await smtp.connect()
        return smtp


async def _quit(smtp: aiosmtplib.SMTP) -> None:
    try:
        await smtp.quit()
    except (aiosmtplib.SMTPException, OSError):
        smtp.close()


def _failed(e: BaseException) -> Sent:
    """Which failures no attempt can mend: RFC 5321, 4.2.1, by the first digit."""
    if isinstance(e, aiosmtplib.SMTPRecipientsRefused) and e.recipients:
        e = e.recipients[0]
    code = getattr(e, "code", 0)
    if isinstance(e, aiosmtplib.SMTPResponseException) and 500 <= code < 600 and code not in _OURS_TO_MEND:
        return Sent(ok=False, error=f"{code} {_line(e.message)}", permanent=True)
    said = (
        f"{code} {_line(e.message)}"
        if isinstance(e, aiosmtplib.SMTPResponseException)
        else f"{type(e).__name__}: {_line(str(e))}"
    )
    return Sent(ok=False, error=said)


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
