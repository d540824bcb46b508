"""Effects for a 3PL: pick orders, their cancellations, notices of returns. The effect's id is the idempotency key, so a repeat is harmless."""

from __future__ import annotations

import httpx
import msgspec

from domain.records.effects import Effect, PickOrder, PickOrderCancel, ReturnExpected, Sent

from .client import ThreePlClient
from .payload import cancellation_body, pick_order_body, return_body
from .translate import refused

__all__ = ["ThreePlSender"]

_REFUSALS = frozenset({"rejected", "unknown_sku"})
"""Codes of a 422 that say no to the pick order itself: nothing was taken in, another depot may ship it."""
_NO_NOTICES = frozenset({404, 405, 501})
_AGAIN = frozenset({401, 403, 408, 423, 425, 429})
"""Worth another try: someone may mend the token; the 3PL is busy."""


class ThreePlSender:
    """The sender of one 3PL connection, by its name in ``wharf.yaml``."""

    def __init__(self, name: str, client: ThreePlClient) -> None:
        self.name, self.client = name, client

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt. A lost answer, 5xx and 429 are tried again with the same key; 409 and 422 never succeed."""
        try:
            if isinstance(effect, PickOrder):
                answer = await self.client.post("/pick-orders", pick_order_body(effect), effect.event_id)
                return self._pick_order(effect, answer, now)
            if isinstance(effect, PickOrderCancel):
                path = self.client.cancellations(effect.allocation_id)
                return _sent(
                    await self.client.post(path, cancellation_body(effect), effect.event_id), not_found_is_early=True
                )
            if isinstance(effect, ReturnExpected):
                return await self._expect(effect)
        except httpx.HTTPError as e:
            return Sent(ok=False, error=f"{type(e).__name__}: {e}")
        return Sent(ok=False, error=f"{type(effect).__name__} is nothing that a 3PL could do", permanent=True)

    def _pick_order(self, effect: PickOrder, answer: httpx.Response, now: int) -> Sent:
        code, message = _error(answer)
        if answer.status_code == 422 and code in _REFUSALS:
            reason = message if code == "rejected" else f"{code}: {message}"
            report = refused(effect.allocation_id, reason, f"threepl:{self.name}/api", now, effect.trace)
            return Sent(ok=True, pools=[report])
        return _sent(answer)

    async def _expect(self, effect: ReturnExpected) -> Sent:
        """A notice, or with no lines its withdrawal. A 3PL that takes no notices (it has no such path) is told nothing."""
        if effect.lines:
            answer = await self.client.post("/returns", return_body(effect), effect.event_id)
        else:
            path = self.client.return_cancellations(effect.rma_id)
            answer = await self.client.post(path, {}, effect.event_id)
        return Sent(ok=True) if answer.status_code in _NO_NOTICES else _sent(answer)

    async def close(self) -> None:
        """Close the connections that are open."""
        await self.client.close()


def _sent(answer: httpx.Response, not_found_is_early: bool = False) -> Sent:
    status = answer.status_code
    if 200 <= status < 300:
        try:
            return Sent(ok=True, reference=str(msgspec.json.decode(answer.content)["id"]))
        except (msgspec.DecodeError, KeyError, TypeError):
            return Sent(ok=False, error=f"{status} without an id: {answer.text[:200]!r}")
    code, message = _error(answer)
    error = f"{status} {code or answer.reason_phrase}: {message}"
    # A cancellation can overtake its pick order, which is then still on its way here.
    again = status >= 500 or status in _AGAIN or (status == 404 and not_found_is_early)
    return Sent(ok=False, error=error, permanent=not again, retry_after=_retry_after(answer))


def _retry_after(answer: httpx.Response) -> float | None:
    try:
        return max(float(answer.headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return None


def _error(answer: httpx.Response) -> tuple[str, str]:
    if answer.status_code < 400:
        return "", ""
    try:
        error = msgspec.json.decode(answer.content)["error"]
        return str(error.get("code", "")), str(error.get("message", ""))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", answer.text[:200]
