"""HTTP to one 3PL: bearer token, time limits, references percent-encoded in paths."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from connectors.transport import AioTransport

from .config import ThreePl

__all__ = ["ThreePlClient"]


class ThreePlClient:
    """One connection; belongs to one event loop. ``transport`` is for tests. Methods raise httpx errors only for what never got an answer."""

    def __init__(self, config: ThreePl, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._headers = {"Authorization": f"Bearer {config.token}"} if config.token else {}
        self._base = config.api_url.rstrip("/")
        self._aio = AioTransport(config.timeout_seconds) if transport is None else None
        self._http = httpx.AsyncClient(transport=transport or self._aio)

    async def post(self, path: str, body: Any, idempotency_key: str) -> httpx.Response:
        """One POST with its idempotency key."""
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        content = msgspec.json.encode(body)
        if self._aio is None:
            return await self._http.post(self._base + path, content=content, headers=headers)
        return await self._aio.post(self._base + path, content, headers)

    async def get(self, path: str, params: dict[str, str | int]) -> httpx.Response:
        """One GET. Raises httpx.HTTPStatusError too, for anything but 2xx."""
        answer = await self._http.get(self._base + path, params=params, headers=self._headers)
        return answer.raise_for_status()

    @staticmethod
    def cancellations(reference: str) -> str:
        """The path of a pick order's cancellations; the reference holds ``/`` and ``:``."""
        return f"/pick-orders/{quote(reference, safe='')}/cancellations"

    @staticmethod
    def return_cancellations(rma: str) -> str:
        """The path under which a notice of a return is withdrawn."""
        return f"/returns/{quote(rma, safe='')}/cancellations"

    async def close(self) -> None:
        """Close the connections that are open."""
        await self._http.aclose()
