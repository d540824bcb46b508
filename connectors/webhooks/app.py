"""The webhook server: ``POST /webhooks/{channel}/{account}``, ``GET /healthz``, ``GET /metrics``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import InternalServerException

from connectors.base import Receiver

from .intake import DEFAULT, Answer, Intake, Limits
from .metrics import Metrics
from .publisher import KafkaPublisher, Publisher

__all__ = ["create_app"]

JSON = "application/json"


async def _chunks(request: Request[object, object, State]) -> AsyncIterator[bytes]:
    """The body as it comes. A sender that hangs up mid-way has sent nothing: it gets no answer anyway."""
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException:
        raise ConnectionAbortedError("the sender hung up") from None


def _respond(answer: Answer) -> Response[dict[str, str]]:
    content = {"status": answer.outcome} if answer.status == 200 else {"error": answer.outcome, "detail": answer.detail}
    return Response(content, status_code=answer.status, headers=answer.headers, media_type=JSON)


def create_app(
    receivers: Mapping[tuple[str, str], Receiver],
    publisher: Publisher,
    now: Callable[[], int],
    *,
    limits: Limits = DEFAULT,
    metrics: Metrics | None = None,
) -> Litestar:
    """The ASGI app. ``receivers`` by channel and account; ``now``: UTC ms. A ``KafkaPublisher`` is started and stopped with it."""
    intake = Intake(receivers, publisher, now, limits=limits, metrics=metrics)

    @post("/webhooks/{channel:str}/{account:str}", status_code=200, request_max_body_size=None)
    async def webhook(request: Request[object, object, State]) -> Response[dict[str, str]]:
        where: dict[str, str] = request.scope["path_params"]
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in request.scope["headers"]}
        try:
            return _respond(await intake.take(where["channel"], where["account"], headers, _chunks(request)))
        except ConnectionAbortedError:
            return _respond(Answer(400, "aborted", "the sender hung up"))

    @get("/healthz", sync_to_thread=False)
    def healthz() -> Response[dict[str, str]]:
        return Response({"status": "ok" if intake.healthy else "down"}, status_code=200 if intake.healthy else 503)

    @get("/metrics", sync_to_thread=False)
    def show_metrics() -> Response[bytes]:
        return Response(intake.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        if isinstance(publisher, KafkaPublisher):
            publisher.start()
        yield
        if isinstance(publisher, KafkaPublisher):
            await publisher.stop()

    return Litestar(
        [webhook, healthz, show_metrics], lifespan=[lifespan], openapi_config=None, logging_config=None, debug=False
    )
