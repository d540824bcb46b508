"""SMS and WhatsApp through the services that Apprise knows (Twilio, MessageBird, Vonage, Amazon SNS …).

Apprise says only whether it worked. So a failure is always tried again, to the end of all attempts, and nothing tells the service that a message is
a repeat. Where a gateway has an HTTP API, ``kind: http`` knows more.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import apprise

from domain.records.effects import CustomerMessage, Effect, Sent

from .addresses import BadAddress, phone_number
from .config import AppriseGateway, Messages
from .render import Renderer, RenderError

__all__ = ["AppriseSender"]


class AppriseSender:
    """The sender ``message:sms`` or ``message:whatsapp``."""

    def __init__(self, gateway: AppriseGateway, messages: Messages, renderer: Renderer) -> None:
        self._gateway, self._messages, self._renderer = gateway, messages, renderer

    async def send(self, effect: Effect, now: int) -> Sent:
        """Try once to send the message."""
        if not isinstance(effect, CustomerMessage):
            return Sent(ok=False, error=f"{type(effect).__name__} is no message", permanent=True)
        try:
            to = phone_number(effect.to)
            text = self._renderer.render(effect, self._messages.brand_of(effect.order_key)).text
        except (BadAddress, RenderError) as e:
            return Sent(ok=False, error=str(e), permanent=True)
        url = self._gateway.url.replace("{to}", quote(to, safe="")).replace("{digits}", to[1:])
        services = apprise.Apprise()
        if not services.add(url):
            return Sent(
                ok=False, error="Apprise knows no such service: messages.sms.url or messages.whatsapp.url in wharf.yaml"
            )
        try:
            async with asyncio.timeout(self._gateway.timeout_seconds):
                done = await services.async_notify(body=text, body_format=apprise.NotifyFormat.TEXT)
        except TimeoutError:
            return Sent(ok=False, error=f"no answer within {self._gateway.timeout_seconds:g} s")
        return Sent(ok=True) if done else Sent(ok=False, error="the service did not take it (Apprise's log says why)")

    async def close(self) -> None:
        """Nothing is kept open."""
