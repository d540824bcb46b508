"""Returns at Bol: ``PUT /retailer/returns/{rma-id}`` with a handling result; Bol itself pays the customer back.

A return that Bol does not know is made and handled in one (``POST /retailer/returns``). Both are asynchronous and know no idempotency
keys, so an attempt looks first: at requests still in Bol's queue, then at how many units of the RMA are handled already.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.protocols import TranslationError
from domain.records.effects import ChannelReturn, Credit
from domain.records.values import CreditLine

from . import payload
from .client import BolClient
from .orders import millis
from .process import Never, NotYet, Processes, checked

__all__ = ["ReturnHandling"]

_RECEIVED, _REFUSED = "RETURN_RECEIVED", "RETURN_DOES_NOT_MEET_CONDITIONS"
_HANDLE, _CREATE = "HANDLE_RETURN_ITEM", "CREATE_RETURN_ITEM"
_PAGE, _PAGES = 50, 5
_SECOND = 1000


class ReturnHandling:
    """Returns of one account."""

    def __init__(self, client: BolClient, processes: Processes) -> None:
        self.client, self.processes = client, processes

    async def credit(self, effect: Credit) -> str:
        """Have Bol pay for the units; the process status' id, or the RMA's where it was done. Raises Never, NotYet, httpx errors."""
        lines = [line for line in effect.lines if line.qty]
        if not lines:
            raise Never("lines: Bol pays for whole units only; pay this amount by hand")
        if not effect.channel_rma:
            return " ".join([await self._create(effect, line) for line in lines])
        await self.processes.wait_for_pending(effect.channel_rma, _HANDLE)
        item = await self._item(effect.return_id, effect.channel_rma)
        accepted = sum(
            processing_result.quantity
            for processing_result in item.processingResults
            if processing_result.handlingResult == _RECEIVED
        )
        missing = effect.credited_before + sum(line.qty for line in lines) - accepted
        if missing <= 0:
            return effect.channel_rma
        return await self._handle(effect.channel_rma, _RECEIVED, missing)

    async def tell(self, effect: ChannelReturn) -> str:
        """Refused units are handled as such. For anything else Bol has no word: it approves itself, and what is handled is closed."""
        qty = sum(line.qty for line in effect.lines)
        if effect.action != "refuse" or not effect.channel_rma or not qty:
            return effect.return_id
        await self.processes.wait_for_pending(effect.channel_rma, _HANDLE)
        item = await self._item(effect.return_id, effect.channel_rma)
        done = sum(
            processing_result.quantity
            for processing_result in item.processingResults
            if processing_result.handlingResult == _REFUSED and _since(processing_result, effect.time)
        )
        return effect.channel_rma if done >= qty else await self._handle(effect.channel_rma, _REFUSED, qty - done)

    async def _item(self, return_id: str, rma_id: str) -> payload.ReturnItem:
        answer = await self.client.get("/retailer/returns/{id}", f"/retailer/returns/{return_id}")
        found = payload.parse(payload.Return, checked(answer))
        item = next((return_item for return_item in found.returnItems if return_item.rmaId == rma_id), None)
        if item is None:
            raise Never(f"return {return_id} has no RMA {rma_id}")
        return item

    async def _handle(self, rma_id: str, result: str, qty: int) -> str:
        body = {"handlingResult": result, "quantityReturned": qty}
        answer = await self.client.call("PUT", "/retailer/returns/{id}", f"/retailer/returns/{rma_id}", body=body)
        return await self._done(payload.parse(payload.ProcessStatus, checked(answer)))

    async def _done(self, status: payload.ProcessStatus) -> str:
        """FAILURE did nothing: worth another try, which looks first again."""
        end = await self.processes.follow(status)
        if end.status == "FAILURE":
            raise NotYet(f"process {end.processStatusId} FAILURE: {end.errorMessage}")
        return end.processStatusId

    async def _create(self, effect: Credit, line: CreditLine) -> str:
        await self.processes.wait_for_pending(line.line_id, _CREATE)
        if known := await self._created(effect, line):
            return known
        body = {"orderItemId": line.line_id, "quantityReturned": line.qty, "handlingResult": _RECEIVED}
        answer = await self.client.call("POST", "/retailer/returns", "/retailer/returns", body=body)
        return await self._done(payload.parse(payload.ProcessStatus, checked(answer)))

    async def _created(self, effect: Credit, line: CreditLine) -> str:
        """A return of these units that was made since the credit was decided: an earlier attempt's."""
        eans = await self._eans(effect.channel_order_id, line.line_id)
        for page in range(1, _PAGES + 1):
            query: dict[str, str | int] = {"handled": "true", "fulfilment-method": "FBR", "page": page}
            answer = await self.client.get("/retailer/returns", "/retailer/returns", query)
            rows = [payload.parse(payload.Return, r) for r in checked(answer).get("returns", [])]
            for row in rows:
                for item in row.returnItems:
                    same = (
                        item.orderId == effect.channel_order_id
                        and item.ean in eans
                        and item.expectedQuantity == line.qty
                    )
                    if same and any(
                        _since(processing_result, effect.time) for processing_result in item.processingResults
                    ):
                        return item.rmaId
            if len(rows) < _PAGE or not _any_since(rows, effect.time):
                break
        return ""

    async def _eans(self, order_id: str, item_id: str) -> set[str]:
        answer = await self.client.get("/retailer/orders/{id}", f"/retailer/orders/{order_id}")
        order = payload.parse(payload.Order, checked(answer))
        return {item.product.ean for item in order.orderItems if item.orderItemId == item_id}


def _since(result: payload.ProcessingResult, ms: int) -> bool:
    try:
        return millis(result.processingDateTime, "processingDateTime") >= ms // _SECOND * _SECOND
    except TranslationError:
        return False


def _any_since(rows: Sequence[payload.Return], ms: int) -> bool:
    return any(
        _since(processing_result, ms)
        for returned in rows
        for item in returned.returnItems
        for processing_result in item.processingResults
    )
