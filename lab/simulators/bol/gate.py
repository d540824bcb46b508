"""What stands before every endpoint of the simulated Bol API: token, rate limit, media types, an outage now and then."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from lab.simulators.timeline import roll

from .bodies import Errors

__all__ = ["MEDIA_TYPE", "Edge", "Problem", "answer"]

MEDIA_TYPE = "application/vnd.retailer.v10+json"
ELSE_LIMIT = 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """An error answer: an RFC 7807 body with Bol's violations."""

    def __init__(self, status: int, title: str, detail: str, violations: Errors | None = None) -> None:
        super().__init__(detail)
        self.status, self.title, self.violations = status, title, violations or []

    def response(self, url: str) -> web.Response:
        body = {
            "type": "https://api.bol.com/problems",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
            "host": "Instance-001",
            "instance": url,
            "violations": self.violations,
        }
        headers = {"Retry-After": "1"} if self.status == 429 else {}
        return web.json_response(body, status=self.status, headers=headers, content_type=MEDIA_TYPE)


def answer(body: Any, status: int = 200) -> web.Response:
    """A JSON answer in Bol's media type."""
    return web.json_response(body, status=status, content_type=MEDIA_TYPE)


class _Window:
    """A budget per second of real time."""

    def __init__(self, limit: int) -> None:
        self.limit, self.second, self.used = limit, 0, 0

    def take(self) -> bool:
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.used = second, 0
        self.used += 1
        return self.used <= self.limit

    def headers(self) -> dict[str, str]:
        left = max(self.limit - self.used, 0)
        return {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": "1"}


class Edge:
    """``tokens``: token → until when (monotonic seconds). ``errors``: chance of a 503."""

    def __init__(self, limits: dict[str, int], errors: float, seed: int) -> None:
        self.tokens: dict[str, float] = {}
        self.requests = 0
        self.refused = 0
        self._limits, self._errors, self._seed = limits, errors, seed
        self._windows: dict[str, _Window] = {}

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or answer for the endpoint."""
        resource = request.match_info.route.resource
        if resource is None or resource.canonical.startswith(("/_", "/token")):
            return await handler(request)
        name = f"{request.method} {resource.canonical}"
        window = self._windows.setdefault(name, _Window(self._limits.get(name, ELSE_LIMIT)))
        response: web.StreamResponse
        try:
            self._admit(request, window)
            response = await handler(request)
        except Problem as e:
            response = e.response(str(request.url))
        response.headers.update(window.headers())
        return response

    def _admit(self, request: web.Request, window: _Window) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self.tokens.get(token, 0.0) <= time.monotonic():
            raise Problem(401, "Unauthorized", "The token is missing, unknown or expired.")
        if not window.take():
            self.refused += 1
            raise Problem(429, "Too Many Requests", "Too many requests, retry in 1 seconds.")
        if request.headers.get("Accept") != MEDIA_TYPE:
            raise Problem(406, "Not Acceptable", f"Accept must be {MEDIA_TYPE}.")
        if request.method != "GET" and request.content_type != MEDIA_TYPE:
            raise Problem(415, "Unsupported Media Type", f"Content-Type must be {MEDIA_TYPE}.")
        self.requests += 1
        if roll(self._seed, "503", self.requests).random() < self._errors:
            raise Problem(503, "Service Unavailable", "Try again later.")
