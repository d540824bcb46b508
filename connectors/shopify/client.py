"""Shopify's Admin API over HTTP: REST for reading orders (the very bodies that webhooks have), GraphQL for the rest.

Both throttle: REST by 429 with Retry-After, GraphQL by a THROTTLED error with the cost that was missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import msgspec

from connectors.transport import AioTransport

from .config import ShopifyAccount

__all__ = ["GraphqlError", "ShopifyClient", "Throttled"]

_TRIES = 5
_LONGEST_WAIT = 60.0
_TIMEOUT_SECONDS = 20.0
_PERMANENT = frozenset({"ACCESS_DENIED", "undefinedField", "argumentLiteralsIncompatible", "variableMismatch"})


class Throttled(Exception):
    """Come back after ``retry_after`` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"throttled by Shopify for {retry_after:g} s")
        self.retry_after = retry_after


class GraphqlError(Exception):
    """An error of the query itself; ``permanent`` where no repeat can help (a missing scope, an unknown field)."""

    def __init__(self, message: str, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class ShopifyClient:
    """One shop. Raises httpx errors; ``sleep`` is for tests."""

    def __init__(
        self,
        account: ShopifyAccount,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not account.api_url or not account.token:
            raise ValueError("channels.shopify: api_url and token are needed to poll and to write back")
        self.account = account
        self._sleep = sleep
        self._base = f"{account.api_url.rstrip('/')}/admin/api/{account.api_version}/"
        self._headers = {"X-Shopify-Access-Token": account.token, "Accept": "application/json"}
        self._aio = AioTransport(_TIMEOUT_SECONDS) if transport is None else None
        self._http = httpx.AsyncClient(
            base_url=self._base,
            headers=self._headers,
            timeout=_TIMEOUT_SECONDS,
            transport=transport or self._aio,
        )

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> httpx.Response:
        """A REST answer; waits out 429 as told, a few times."""
        for _ in range(_TRIES - 1):
            answer = await self._http.get(path, params=params)
            if answer.status_code != 429:
                return answer
            await self._sleep(_retry_after(answer))
        return await self._http.get(path, params=params)

    async def graphql(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The ``data`` of a query or mutation. Raises Throttled, GraphqlError, httpx errors."""
        answer = await self._post("graphql.json", msgspec.json.encode({"query": query, "variables": variables}))
        if answer.status_code == 429:
            raise Throttled(_retry_after(answer))
        if not answer.is_success:
            answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        errors = body.get("errors")
        if isinstance(errors, list) and errors:
            _raise(errors, body)
        elif errors:
            raise GraphqlError(str(errors), permanent=False)
        return body.get("data") or {}

    async def _post(self, path: str, content: bytes) -> httpx.Response:
        headers = {**self._headers, "Content-Type": "application/json"}
        if self._aio is None:
            return await self._http.post(path, content=content, headers=headers)
        return await self._aio.post(self._base + path, content, headers)

    async def close(self) -> None:
        """Close the connections that are open."""
        await self._http.aclose()


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(_LONGEST_WAIT, max(0.1, float(answer.headers.get("retry-after", "2"))))
    except ValueError:
        return 2.0


def _raise(errors: list[dict[str, Any]], body: dict[str, Any]) -> None:
    codes = [str((e.get("extensions") or {}).get("code", "")) for e in errors]
    if "THROTTLED" in codes:
        cost = (body.get("extensions") or {}).get("cost") or {}
        status = cost.get("throttleStatus") or {}
        missing = float(cost.get("requestedQueryCost", 100)) - float(status.get("currentlyAvailable", 0))
        raise Throttled(min(_LONGEST_WAIT, max(0.5, missing / float(status.get("restoreRate", 50) or 50))))
    text = "; ".join(str(e.get("message", "")) for e in errors)
    raise GraphqlError(text, permanent=bool(_PERMANENT & set(codes)))
