"""The senders of the ``messages`` part of ``wharf.yaml``, by target."""

from __future__ import annotations

from connectors.protocols import Sender

from .catalogue import Catalogue
from .config import AppriseGateway, HttpGateway, Messages
from .gateway import GatewaySender
from .mail import MailSender
from .render import Renderer

__all__ = ["message_senders"]


def message_senders(messages: Messages) -> dict[str, Sender]:
    """``message:mail``, ``message:sms``, ``message:whatsapp``, as far as they are configured. Raises TemplatesError."""
    senders: dict[str, Sender] = {}
    renderer = Renderer(Catalogue(messages.templates))
    if messages.mail is not None:
        senders["message:mail"] = MailSender(messages.mail, messages, renderer)
    for medium, gateway in (("sms", messages.sms), ("whatsapp", messages.whatsapp)):
        if gateway is not None:
            senders[f"message:{medium}"] = _gateway(gateway, messages, renderer)
    return senders


def _gateway(gateway: HttpGateway | AppriseGateway, messages: Messages, renderer: Renderer) -> Sender:
    if isinstance(gateway, HttpGateway):
        return GatewaySender(gateway, messages, renderer)
    from .services import AppriseSender  # it takes a while to import, and few need it

    return AppriseSender(gateway, messages, renderer)
