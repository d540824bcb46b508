"""Bol works asynchronously: requests that are followed to their end, and what an answer means for another attempt."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from . import payload
from .client import BolClient, read_json

__all__ = ["SLOWEST_LOOK_SECONDS", "Never", "NotYet", "Processes", "checked", "problem"]

_FIRST_LOOK_SECONDS = 0.1
SLOWEST_LOOK_SECONDS = 5.0


class NotYet(Exception):
    """The attempt ends without a result: try again, not before ``retry_after`` seconds."""

    def __init__(self, error: str, retry_after: float | None = None) -> None:
        super().__init__(error)
        self.retry_after = retry_after


class Never(Exception):
    """No attempt can succeed."""


def problem(answer: httpx.Response) -> str:
    """Status, title and violations of an error answer, in one line."""
    try:
        body = read_json(answer)
        violations = "; ".join(f"{v.get('name')}: {v.get('reason')}" for v in body.get("violations") or [])
        return f"{answer.status_code} {body.get('title', '')}: {violations or body.get('detail', '')}"
    except (ValueError, AttributeError):
        return f"{answer.status_code} {answer.reason_phrase}"


def checked(answer: httpx.Response) -> Any:
    """The body of a 200 or 202. Raises NotYet where another attempt may be answered otherwise, else Never."""
    if answer.status_code in {200, 202}:
        return read_json(answer)
    if answer.status_code in {401, 403, 408, 409, 425} or answer.status_code >= 500:
        raise NotYet(problem(answer))
    raise Never(problem(answer))


class Processes:
    """The requests of one account. ``patience``: seconds that one attempt follows a process status."""

    def __init__(self, client: BolClient, patience: float) -> None:
        self.client, self.patience = client, patience

    async def wait_for_pending(self, entity_id: str, event_type: str) -> None:
        """A request for this item that an earlier attempt (or another shipment) has in Bol's queue must end first."""
        answer = await self.client.get(
            "/shared/process-status", "/shared/process-status", {"entity-id": entity_id, "event-type": event_type}
        )
        for row in checked(answer).get("processStatuses", []):
            status = payload.parse(payload.ProcessStatus, row)
            if status.status == "PENDING":
                await self._settled(status)

    async def _settled(self, status: payload.ProcessStatus) -> payload.ProcessStatus:
        """Follow a process status until it is no longer PENDING. Raises NotYet when patience ends."""
        wait, left = _FIRST_LOOK_SECONDS, self.patience
        while status.status == "PENDING":
            if left <= 0:
                raise NotYet(f"process {status.processStatusId} is still PENDING", SLOWEST_LOOK_SECONDS)
            await asyncio.sleep(wait)
            left, wait = left - wait, min(wait * 1.6, SLOWEST_LOOK_SECONDS)
            path = f"/shared/process-status/{status.processStatusId}"
            answer = await self.client.get("/shared/process-status/{id}", path)
            status = payload.parse(payload.ProcessStatus, checked(answer))
        return status

    async def follow(self, status: payload.ProcessStatus) -> payload.ProcessStatus:
        """The end of a request of ours: SUCCESS or FAILURE. Raises NotYet for TIMEOUT: it may have been done."""
        done = await self._settled(status)
        if done.status == "TIMEOUT":
            raise NotYet(f"process {done.processStatusId} ended in TIMEOUT: {done.errorMessage}")
        return done
