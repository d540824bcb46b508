"""A carrier whose labels Wharfinger prints itself: nothing is called, the number is made from the key."""

from __future__ import annotations

import asyncio

import msgspec

from .base import CarrierRefused, Label, LabelRequest
from .config import CarrierAccount
from .pdf import render_pdf
from .store import LabelStore
from .tracking import is_valid, tracking_number
from .zpl import render_zpl

__all__ = ["LocalCarrier"]


class LocalCarrier:
    """``Carrier``. A label made again under its key is the one on disk, even where the request or the price has changed since."""

    def __init__(self, account: CarrierAccount, store: LabelStore) -> None:
        self.account, self.store = account, store

    async def make(self, request: LabelRequest) -> Label:
        """Raises CarrierRefused for what can't be delivered anywhere."""
        return await asyncio.to_thread(self._make, request)

    async def void(self, tracking_number: str) -> bool:
        """False for a number that was never given out."""
        return is_valid(tracking_number) and await asyncio.to_thread(self.store.void, tracking_number)

    async def close(self) -> None:
        """Do nothing: this carrier keeps no connection."""

    def _make(self, request: LabelRequest) -> Label:
        if known := self.store.find(request.key):
            return known
        self._check(request)
        number = tracking_number(request.key)
        account = self.account
        if not request.service and account.service:
            request = msgspec.structs.replace(request, service=account.service)
        label = Label(
            key=request.key,
            carrier=account.name,
            tracking_number=number,
            tracking_url=account.tracking_url.replace("{number}", number),
            cost=self._cost(request.sender.country),
            currency=account.currency,
            payer=request.payer,
            pdf=render_pdf(request, account.name, number),
            zpl=render_zpl(request, account.name, number),
        )
        self.store.keep(label)
        return label

    def _check(self, request: LabelRequest) -> None:
        to = request.receiver
        missing = [name for name in ("street1", "city", "country") if not getattr(to, name)]
        if missing:
            raise CarrierRefused(
                f"receiver: {', '.join(missing)} missing; give the depot's return address in the rules"
            )
        if request.payer not in {"merchant", "customer"}:
            raise CarrierRefused(f"payer: {request.payer!r} is neither merchant nor customer")

    def _cost(self, country: str) -> int:
        costs = self.account.costs
        if country in costs or "*" in costs:
            return costs.get(country, costs.get("*", 0))
        raise CarrierRefused(
            f"sender.country: no return from {country or '(none)'}; costs has {', '.join(sorted(costs))}"
        )
