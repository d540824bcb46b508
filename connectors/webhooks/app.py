"""The webhook server: ``POST /webhooks/{channel}/{account}``, ``GET /healthz``, ``GET /labels/{name}``. Metrics are served elsewhere.

Deliveries are taken on the bare ASGI interface: a framework's way from the request to a handler took a tenth of the server's time.
All else is Litestar's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Response, get

from connectors.protocols import Receiver

from .answer import Answer
from .head import Head
from .intake import DEFAULT, Intake, Limits
from .metrics import Metrics
from .peers import Proxies
from .publisher import KafkaPublisher, Publisher
from .renewing import RenewingPublisher

__all__ = ["WebhookApp", "create_app"]

_JSON = (b"content-type", b"application/json")
_BAD_METHOD = Answer(405, "method", "deliveries are sent by POST", {"allow": "POST"})

Labels = Callable[[str], tuple[bytes, str] | None]
"""The last part of a label's link to the file and its media type."""


async def _chunks(receive: Any) -> AsyncIterator[bytes]:
    """The body as it comes. A sender that hangs up mid-way has sent nothing: it gets no answer anyway."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError("the sender hung up")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _respond(answer: Answer, send: Any) -> None:
    content = {"status": answer.outcome} if answer.status == 200 else {"error": answer.outcome, "detail": answer.detail}
    body = msgspec.json.encode(content)
    headers = [(k.encode(), v.encode()) for k, v in answer.headers.items()]
    headers += [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class WebhookApp:
    """The ASGI app: deliveries to ``intake``, the rest and the start and end of the server to ``others``."""

    def __init__(self, intake: Intake, others: Litestar, proxies: Proxies) -> None:
        self._intake = intake
        self._others = others
        self._proxies = proxies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request of an ASGI server."""
        if scope["type"] == "http":
            match scope["path"].strip("/").split("/"):
                case ["webhooks", channel, account]:
                    await _respond(await self._take(channel, account, scope, receive), send)
                    return
        await self._others(scope, receive, send)

    async def _take(self, channel: str, account: str, scope: Any, receive: Any) -> Answer:
        if scope["method"] != "POST":
            return _BAD_METHOD
        head = Head.read(scope["headers"])
        client = (scope.get("client") or ("", 0))[0]
        head = head._replace(peer=self._proxies.peer(client, head.headers.get("x-forwarded-for", "")))
        try:
            return await self._intake.take(channel, account, head, _chunks(receive))
        except ConnectionAbortedError:
            return Answer(400, "aborted", "the sender hung up")


def create_app(
    receivers: Mapping[tuple[str, str], Receiver],
    publisher: Publisher,
    now: Callable[[], int],
    *,
    limits: Limits = DEFAULT,
    metrics: Metrics | None = None,
    labels: Labels | None = None,
    proxies: Proxies | None = None,
) -> WebhookApp:
    """The ASGI app. ``receivers`` by channel and account; ``now``: UTC ms. A ``KafkaPublisher`` is started and stopped with it.

    ``proxies``: whose word on the sender's address is believed. ``labels`` opens the file of a label's link, or gives None: then there is a 404, whatever was wrong with the link.
    """
    intake = Intake(receivers, publisher, now, limits=limits, metrics=metrics)

    @get("/healthz", sync_to_thread=False)
    def healthz() -> Response[dict[str, str]]:
        return Response({"status": "ok" if intake.healthy else "down"}, status_code=200 if intake.healthy else 503)

    @get("/labels/{name:str}", sync_to_thread=True)
    def label(name: str) -> Response[bytes]:
        found = labels(name) if labels else None
        if found is None:
            return Response(b"", status_code=404, media_type="text/plain")
        # Whoever has the link may print; nobody else is to see it: no caches, no referrers, no guessing of types.
        headers = {
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f"inline; filename=return-label{Path(name).suffix}",
        }
        return Response(found[0], media_type=found[1], headers=headers)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        if isinstance(publisher, KafkaPublisher | RenewingPublisher):
            publisher.start()
        yield
        if isinstance(publisher, KafkaPublisher | RenewingPublisher):
            await publisher.stop()
        intake.close()

    others = Litestar([healthz, label], lifespan=[lifespan], openapi_config=None, logging_config=None, debug=False)
    return WebhookApp(intake, others, proxies or Proxies())
