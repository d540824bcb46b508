"""SMS and WhatsApp through any gateway with an HTTP API: one request a message, described in ``wharf.yaml``.

Whether a repeat counts once is the gateway's: it gets the message's id in a header and wherever ``{id}`` stands. A repeat happens where its answer was
lost, or we crashed between its answer and our commit.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx

from connectors.transport import AioTransport
from domain.records.effects import CustomerMessage, Effect, Sent

from .addresses import BadAddress, phone_number
from .config import HttpGateway, Messages
from .render import Renderer, RenderError

__all__ = ["GatewaySender"]

_AGAIN = frozenset({401, 403, 408, 409, 423, 425, 429})
"""Of 4xx those that may pass: our credentials (somebody mends them), a lock, a limit. The others speak of this message."""


class GatewaySender:
    """The sender ``message:sms`` or ``message:whatsapp``."""

    def __init__(self, gateway: HttpGateway, messages: Messages, renderer: Renderer) -> None:
        self._gateway, self._messages, self._renderer = gateway, messages, renderer
        self._http = httpx.AsyncClient(transport=AioTransport(gateway.timeout_seconds), follow_redirects=False)

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt; an answer that speaks of this message is final."""
        if not isinstance(effect, CustomerMessage):
            return Sent(ok=False, error=f"{type(effect).__name__} is no message", permanent=True)
        try:
            values = _values(effect, self._messages, self._renderer)
        except (BadAddress, RenderError) as e:
            return Sent(ok=False, error=str(e), permanent=True)
        http_gateway = self._gateway
        headers = {k: _filled(v, values) for k, v in http_gateway.headers.items()}
        if http_gateway.id_header:
            headers[http_gateway.id_header] = effect.event_id
        body = _filled(http_gateway.body, values)
        content: dict[str, Any] = {"data": body} if http_gateway.form else {"json": body}
        url = _filled(http_gateway.url, {k: quote(v, safe="") for k, v in values.items()})
        try:
            answer = await self._http.post(url, headers=headers, **content)
        except httpx.HTTPError as e:
            return Sent(ok=False, error=f"{type(e).__name__}: {e}"[:200])
        return self._judge(answer)

    async def close(self) -> None:
        """Close the connections that are open."""
        await self._http.aclose()

    def _judge(self, answer: httpx.Response) -> Sent:
        if answer.is_success:
            return Sent(ok=True, reference=_at(answer, self._gateway.reference))
        said = f"{answer.status_code} {' '.join(answer.text.split())}"[:200]
        permanent = 400 <= answer.status_code < 500 and answer.status_code not in _AGAIN
        return Sent(ok=False, error=said, permanent=permanent, retry_after=_pause(answer))


def _values(effect: CustomerMessage, messages: Messages, renderer: Renderer) -> dict[str, str]:
    to = phone_number(effect.to)
    return {
        "to": to,
        "digits": to[1:],
        "text": renderer.render(effect, messages.brand_of(effect.order_key)).text,
        "id": effect.event_id,
        "template": effect.template,
        "language": effect.language,
    }


def _filled(value: Any, values: dict[str, str]) -> Any:
    """With the values in their places, at any depth. One pass: what a value holds is never looked at again."""
    if isinstance(value, dict):
        return {k: _filled(v, values) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, values) for v in value]
    if not isinstance(value, str):
        return value
    parts = value.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        filled.append(values[name] + rest if closed and name in values else "{" + part)
    return "".join(filled)


def _at(answer: httpx.Response, path: str) -> str:
    """The gateway's own id in its answer; ``""`` where it gave none there."""
    try:
        value: Any = answer.json() if path else ""
        for key in path.split(".") if path else []:
            value = value[int(key)] if isinstance(value, list) else value[key]
    except (json.JSONDecodeError, UnicodeDecodeError, LookupError, TypeError, ValueError):
        return ""
    return str(value)[:100]


def _pause(answer: httpx.Response) -> float | None:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isdigit() else None
