"""Bol's Retailer API over HTTP: token, media type, rate limits, and retries where a repeat can do no harm."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import stamina

from connectors.transport import AioTransport

from .config import BolAccount
from .limits import Gate

__all__ = ["MEDIA_TYPE", "BolClient", "TooManyRequests", "read_json", "retry_after"]

MEDIA_TYPE = "application/vnd.retailer.v10+json"
_EARLY_SECONDS = 30.0
_PATIENCE_SECONDS = 20.0


class TooManyRequests(httpx.HTTPError):
    """Bol wants us to wait for longer than one request should; ``retry_after`` in seconds."""

    def __init__(self, endpoint: str, retry_after: float) -> None:
        super().__init__(f"{endpoint}: too many requests, retry in {retry_after:g} s")
        self.retry_after = retry_after


def retry_after(answer: httpx.Response) -> float:
    """Seconds of ``Retry-After`` (Bol sends a number); 1 where it can't be read."""
    try:
        return max(float(answer.headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return 1.0


def read_json(answer: httpx.Response) -> Any:
    """The body, with exact decimals. Raises ValueError."""
    return json.loads(answer.content, parse_float=Decimal)


class _Token:
    """The access token, fetched once for all who wait and renewed before it ends (Bol gives 299 s)."""

    def __init__(self, account: BolAccount, http: httpx.AsyncClient, clock: Callable[[], float]) -> None:
        self._account, self._http, self._clock = account, http, clock
        self._lock = asyncio.Lock()
        self._value, self._good_until = "", 0.0

    async def get(self) -> str:
        async with self._lock:
            if self._clock() >= self._good_until:
                await self._fetch()
            return self._value

    async def _fetch(self) -> None:
        answer = await self._http.post(
            f"{self._account.login_url.rstrip('/')}/token",
            params={"grant_type": "client_credentials"},
            auth=(self._account.client_id, self._account.client_secret),
            headers={"Accept": "application/json"},
        )
        answer.raise_for_status()
        data = answer.json()
        life = float(data["expires_in"])
        self._value = str(data["access_token"])
        self._good_until = self._clock() + life - min(_EARLY_SECONDS, life / 2)

    def forget(self, value: str) -> None:
        """The API refused ``value``; a newer one is kept."""
        if value == self._value:
            self._good_until = 0.0


def _worth_another_try(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


class BolClient:
    """One account's connection. Belongs to one event loop. ``endpoint`` names the rate limit a call falls under."""

    def __init__(self, account: BolAccount, clock: Callable[[], float] = time.monotonic) -> None:
        self.account = account
        self._http = httpx.AsyncClient(transport=AioTransport(account.timeout_seconds))
        self._token = _Token(account, self._http, clock)
        self._gates: dict[str, Gate] = {}
        self._clock = clock

    async def get(self, endpoint: str, path: str, params: dict[str, str | int] | None = None) -> httpx.Response:
        """GET, repeated with back-off on 5xx and lost connections. Any answer under 500 is given back, 404 too.

        Raises httpx.HTTPError (TooManyRequests among them).
        """
        async for attempt in stamina.retry_context(
            on=_worth_another_try, attempts=4, timeout=30.0, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                answer = await self.call("GET", endpoint, path, params=params)
                if answer.status_code >= 500:
                    answer.raise_for_status()
        return answer

    async def call(
        self, method: str, endpoint: str, path: str, *, params: dict[str, str | int] | None = None, body: Any = None
    ) -> httpx.Response:
        """One request; only what Bol surely did not act on (401, 429) is repeated. Raises httpx.HTTPError."""
        gate = self._gates.setdefault(f"{method} {endpoint}", Gate(self._clock))
        give_up, renewed = self._clock() + _PATIENCE_SECONDS, False
        while True:
            await gate.enter()
            token = await self._token.get()
            answer = await self._request(method, path, token, params, body)
            gate.learn(answer.headers)
            if answer.status_code == 401 and not renewed:
                self._token.forget(token)
                renewed = True
            elif answer.status_code == 429:
                wait = retry_after(answer)
                gate.close_for(wait)
                if self._clock() + wait > give_up:
                    raise TooManyRequests(f"{method} {endpoint}", wait)
            else:
                return answer

    async def _request(
        self, method: str, path: str, token: str, params: dict[str, str | int] | None, body: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": MEDIA_TYPE}
        content = None
        if body is not None:
            headers["Content-Type"] = MEDIA_TYPE
            content = json.dumps(body, separators=(",", ":")).encode()
        return await self._http.request(
            method, f"{self.account.api_url.rstrip('/')}{path}", params=params, headers=headers, content=content
        )

    async def close(self) -> None:
        """Close the connections that are open."""
        await self._http.aclose()
