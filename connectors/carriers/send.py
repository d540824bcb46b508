"""Effects for a carrier: return labels. The effect's id is the idempotency key, so a repeat gives the same label."""

from __future__ import annotations

import httpx

from domain.records.commands import ReturnTracked
from domain.records.effects import Effect, ReturnLabel, Sent
from domain.records.record import uuid5

from .base import Carrier, CarrierRefused, Label, LabelRequest
from .store import LabelStore

__all__ = ["LabelSender"]


class LabelSender:
    """The sender of one carrier, ``label:NAME``. ``public_url``: where customers reach the webhook server, ``""`` for a bare path."""

    def __init__(self, name: str, carrier: Carrier, store: LabelStore, public_url: str = "") -> None:
        self.name, self.carrier, self.store = name, carrier, store
        self.public_url = public_url.rstrip("/")

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt. What the carrier refuses is refused for good; silence and a full disk are tried again."""
        if not isinstance(effect, ReturnLabel):
            return Sent(ok=False, error=f"{type(effect).__name__} is nothing that a carrier could do", permanent=True)
        request = LabelRequest(
            key=effect.event_id,
            rma_id=effect.barcode or effect.rma_id,
            order_name=effect.order_name,
            sender=effect.ship_from,
            receiver=effect.ship_to,
            payer=effect.payer,
        )
        try:
            label = await self.carrier.make(request)
        except (CarrierRefused, ValueError) as e:
            return Sent(ok=False, error=str(e), permanent=True)
        except (httpx.HTTPError, OSError) as e:
            return Sent(ok=False, error=f"{type(e).__name__}: {e}")
        return Sent(ok=True, reference=label.tracking_number, orders=[self._labelled(effect, label, now)])

    async def close(self) -> None:
        """Close the connections that are open."""
        await self.carrier.close()

    def _labelled(self, effect: ReturnLabel, label: Label, now: int) -> ReturnTracked:
        fact = f"label/{effect.event_id}"
        return ReturnTracked(
            event_id=uuid5(effect.order_key, 0, fact),
            type="ReturnTracked",
            time=now,
            source=f"label:{self.name}",
            trace=effect.trace,
            order_key=effect.order_key,
            idempotency_key=fact,
            rma_id=effect.rma_id,
            status="LABELLED",
            carrier=label.carrier,
            tracking_number=label.tracking_number,
            tracking_url=label.tracking_url,
            detail="",
            occurred_at=now,
            cost=label.cost,
            cost_currency=label.currency,
            label_ref=self.public_url + self.store.link(effect.event_id, "pdf"),
        )
