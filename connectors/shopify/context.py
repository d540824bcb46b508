"""What every fact from a Shopify delivery begins with: where it came from, and the marks it is deduplicated by."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

from connectors.checks.customer import content_hash
from domain.records.effects import ChannelRefetch
from domain.records.record import uuid5

__all__ = ["Context", "Head"]


class Head(TypedDict):
    """The fields of ``domain.records.commands.ChannelFact``."""

    event_id: str
    type: str
    time: int
    source: str
    trace: str
    order_key: str
    idempotency_key: str
    delivery_id: str
    content_hash: str


class Context(msgspec.Struct, frozen=True):
    """One delivery. ``delivery_id``: Shopify's event id, ``""`` for a poll; ``transport``: webhook or poll; ``now``: ms."""

    topic: str
    account: str
    now: int
    trace: str
    delivery_id: str = ""
    transport: str = "webhook"
    services: dict[str, str] = {}

    def head(self, kind: str, order_key: str, idempotency_key: str, *content: Any) -> Head:
        """A fact's metadata; ``content`` is what it says, and what its hash is made of.

        Shopify may give the webhooks of one action (create, paid) the same event id, so the topic is part of our ``delivery_id``:
        else the second would look like the first with other content.
        """
        delivery = f"{self.delivery_id}/{self.topic}" if self.delivery_id else ""
        digest = content_hash(*content)
        return Head(
            event_id=uuid5(order_key, 0, f"{kind}|{idempotency_key}|{delivery}|{digest}"),
            type=kind,
            time=self.now,
            source=f"shopify:{self.account}/{self.transport}",
            trace=self.trace,
            order_key=order_key,
            idempotency_key=idempotency_key,
            delivery_id=delivery,
            content_hash=digest,
        )

    def refetch(self, resource: str, resource_id: str, order_key: str = "") -> ChannelRefetch:
        """Ask for a resource itself, where the delivery only signals it."""
        target = f"shopify:{self.account}"
        return ChannelRefetch(
            event_id=uuid5(target, 0, f"refetch|{resource}|{resource_id}|{self.delivery_id}|{self.now}"),
            type="ChannelRefetch",
            time=self.now,
            source=f"{target}/{self.transport}",
            trace=self.trace,
            order_key=order_key,
            target=target,
            resource=resource,
            resource_id=resource_id,
        )
