"""Returns and refunds of the simulated shop: what its customers ask for, what an app may do through the Admin API.

As strict as the real one: a return line is processed once, money goes back to a payment under an idempotency key and never above what it captured.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from lab.simulators.payments import Declined
from lab.simulators.timeline import roll

from .orders import SimOrder, SimRefund, SimReturn, SimReturnLine
from .rest_bodies import money, refund_body, return_body
from .shop import Shop, UserErrors

__all__ = ["ShopReturns"]

REASONS = ("SIZE_TOO_SMALL", "COLOR", "UNWANTED", "DEFECTIVE", "NOT_AS_DESCRIBED")
Json = dict[str, Any]


def _tail(text: Any) -> int:
    digits = str(text).rpartition("/")[2]
    return int(digits) if digits.isdigit() else 0


def _cents(text: Any) -> int:
    return int(Decimal(str(text)) * 100)


class ShopReturns:
    """The returns of a shop; a return's id is its order's with three digits behind it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._answers: dict[str, tuple[str, Json]] = {}
        self.notes_reach_refunds = True
        """Whether a refund bears the note of the ``returnProcess`` that made it: Shopify's documents don't say."""
        shop.send_back = self.request  # type: ignore[method-assign]

    def operations(self) -> dict[str, Callable[[Json], Json]]:
        """GraphQL operations by the text that shows them."""
        return {
            "refundCreate(": self._mutation("refundCreate", "refund", self._refund_create),
            "returnProcess(": self._mutation("returnProcess", "return", self._process),
            "returnCreate(": self._mutation("returnCreate", "return", self._create),
            "returnApproveRequest(": self._mutation(
                "returnApproveRequest", "return", self._status("REQUESTED", "OPEN")
            ),
            "returnDeclineRequest(": self._mutation(
                "returnDeclineRequest", "return", self._status("REQUESTED", "DECLINED")
            ),
            "returnCancel(": self._mutation("returnCancel", "return", self._status("OPEN", "CANCELED")),
            "returnClose(": self._mutation("returnClose", "return", self._status("OPEN", "CLOSED")),
            "returnReopen(": self._mutation("returnReopen", "return", self._status("CLOSED", "OPEN", "reopen")),
            "returnableFulfillments(": self._returnable,
            "return(": lambda v: {"return": self._shown(*self._find(v.get("id")))},
        }

    def of_order(self, order: SimOrder) -> Json:
        """What an order shows of its payments, refunds and returns."""
        paid = [
            {
                "id": f"gid://shopify/OrderTransaction/{payment}",
                "kind": "SALE",
                "status": "SUCCESS",
                "gateway": "shopify_payments",
                "amountSet": {"presentmentMoney": {"amount": money(n), "currencyCode": "EUR"}},
                "parentTransaction": None,
            }
            for payment, n in self.shop.payments.captured(str(order.id)).items()
        ]
        back = [
            {
                "id": f"gid://shopify/OrderTransaction/{refund.id * 100 + 90 + i}",
                "kind": "REFUND",
                "status": "SUCCESS",
                "gateway": "shopify_payments",
                "amountSet": {"presentmentMoney": {"amount": money(n), "currencyCode": "EUR"}},
                "parentTransaction": {"id": f"gid://shopify/OrderTransaction/{parent}"},
            }
            for refund in order.refunds
            for i, (parent, n) in enumerate(refund.paid)
        ]
        return {
            "currencyCode": "EUR",
            "presentmentCurrencyCode": "EUR",
            "transactions": paid + back,
            "refunds": [_refund(refund) for refund in order.refunds],
            "returns": {"nodes": [self._shown(order, returned) for returned in order.returns]},
        }

    def request(self, order: SimOrder) -> None:
        """The customer asks to send units back, on the shop's own page: some, or all of a line."""
        chance = roll(self.shop.seed, "return", order.id)
        lines = [x for x in order.lines if x.fulfilled]
        if order.cancelled_at is not None or not lines:
            return
        chosen = chance.sample(lines, 1 if chance.random() < 0.8 else min(2, len(lines)))
        units = [(x.id, x.fulfilled if chance.random() < 0.5 else chance.randint(1, x.fulfilled)) for x in chosen]
        found = self._made(order, "REQUESTED", [(line, n, chance.choice(REASONS), "") for line, n in units])
        self._tell(order, found, "returns/request")

    def _made(self, order: SimOrder, status: str, lines: list[tuple[int, int, str, str]]) -> SimReturn:
        number = order.id * 1000 + len(order.returns) + 1
        items = [SimReturnLine(number * 10 + i, *x) for i, x in enumerate(lines)]
        found = SimReturn(number, f"#{order.number}-R{len(order.returns) + 1}", self.shop.now(), status, items)
        order.returns.append(found)
        shown = [{"line_id": str(line.line), "qty": line.qty, "reason": line.reason} for line in items]
        self.shop.changed(order, "return", (), number=number, status=status, lines=shown)
        return found

    def _tell(self, order: SimOrder, found: SimReturn, topic: str) -> None:
        self.shop.tell(order, f"{topic}/{found.id}", topic, return_body(order, found))

    def _find(self, global_id: Any) -> tuple[SimOrder | None, SimReturn | None]:
        number = _tail(global_id)
        order = self.shop.orders.get(number // 1000)
        found = next((returned for returned in order.returns if returned.id == number), None) if order else None
        return order, found

    def _known(self, global_id: Any) -> tuple[SimOrder, SimReturn]:
        order, found = self._find(global_id)
        if order is None or found is None:
            raise UserErrors(["returnId"], "Return not found.", "NOT_FOUND")
        return order, found

    def _shown(self, order: SimOrder | None, returned: SimReturn | None) -> Json | None:
        if order is None or returned is None:
            return None
        nodes = [
            {
                "id": f"gid://shopify/ReturnLineItem/{line.id}",
                "quantity": line.qty,
                "processableQuantity": line.qty - line.processed if returned.status == "OPEN" else 0,
                "processedQuantity": line.processed,
                "returnReason": line.reason,
                "returnReasonNote": line.note,
                "customerNote": None,
                "fulfillmentLineItem": {
                    "lineItem": {"id": f"gid://shopify/LineItem/{line.line}", "sku": self._sku(order, line.line)}
                },
            }
            for line in returned.lines
        ]
        return {
            "id": f"gid://shopify/Return/{returned.id}",
            "name": returned.name,
            "status": returned.status,
            "order": {"id": order.gid},
            "refunds": {"nodes": [_refund(refund) for refund in order.refunds if refund.id in returned.refunds]},
            "returnLineItems": {"nodes": nodes},
        }

    @staticmethod
    def _sku(order: SimOrder, number: int) -> str:
        line = order.line(number)
        return line.product.sku if line else ""

    def _mutation(self, name: str, thing: str, do: Callable[[Json], Json]) -> Callable[[Json], Json]:
        def run(v: Json) -> Json:
            try:
                return {name: {thing: do(v), "userErrors": []}}
            except UserErrors as e:
                self.shop.counts["refused"] += 1
                self.shop.ledger.append("refused", mutation=name, error=e.errors[0]["message"])
                return {name: {thing: None, "userErrors": e.errors}}

        return run

    def _status(self, before: str, after: str, topic: str = "") -> Callable[[Json], Json]:
        topic = topic or {"OPEN": "approve", "DECLINED": "decline", "CANCELED": "cancel", "CLOSED": "close"}[after]

        def do(v: Json) -> Json:
            order, found = self._known((v.get("input") or v).get("id"))
            if found.status != before:
                raise UserErrors(["id"], f"Return is {found.status}.", "INVALID_STATE")
            found.status = after
            self.shop.changed(order, "return", (), number=found.id, status=after)
            self._tell(order, found, f"returns/{topic}")
            return {"id": f"gid://shopify/Return/{found.id}", "status": after}

        return do

    def _returnable(self, v: Json) -> Json:
        order = self.shop.orders.get(_tail(v.get("id")))
        if order is None:
            return {"returnableFulfillments": {"nodes": []}, "order": None}
        items = []
        for line in order.lines:
            left = line.fulfilled - self._in_returns(order, line.id)
            item = {
                "id": f"gid://shopify/FulfillmentLineItem/{line.id}",
                "lineItem": {"id": f"gid://shopify/LineItem/{line.id}"},
            }
            if left > 0:
                items.append({"quantity": left, "fulfillmentLineItem": item})
        nodes = [{"returnableFulfillmentLineItems": {"nodes": items}}]
        return {
            "returnableFulfillments": {"nodes": nodes},
            "order": {"id": order.gid, "returns": self.of_order(order)["returns"]},
        }

    @staticmethod
    def _in_returns(order: SimOrder, line: int) -> int:
        return sum(
            sim_return_line.qty
            for returned in order.returns
            if returned.status in {"REQUESTED", "OPEN", "CLOSED"}
            for sim_return_line in returned.lines
            if sim_return_line.line == line
        )

    def _create(self, v: Json) -> Json:
        given = v["input"]
        order = self.shop.orders.get(_tail(given["orderId"]))
        if order is None:
            raise UserErrors(["orderId"], "Order not found.", "NOT_FOUND")
        lines = []
        for x in given["returnLineItems"]:
            line, n = order.line(_tail(x["fulfillmentLineItemId"])), int(x["quantity"])
            if line is None or n < 1 or n > line.fulfilled - self._in_returns(order, line.id):
                raise UserErrors(["returnLineItems", "quantity"], "Quantity can't be returned.", "INVALID")
            lines.append((line.id, n, x["returnReason"], x.get("returnReasonNote", "")))
        found = self._made(order, "OPEN", lines)
        self._tell(order, found, "returns/approve")
        return {"id": f"gid://shopify/Return/{found.id}"}

    def _process(self, v: Json) -> Json:
        given = v["input"]
        order, found = self._known(given["returnId"])
        wanted = [(_tail(x["id"]), int(x["quantity"])) for x in given.get("returnLineItems", [])]
        for number, n in wanted:
            line = next((sim_return_line for sim_return_line in found.lines if sim_return_line.id == number), None)
            if found.status != "OPEN" or line is None or n < 1 or n > line.qty - line.processed:
                raise UserErrors(["returnLineItems", "quantity"], "Quantity is greater than what can be processed.")
        transfer = (given.get("financialTransfer") or {}).get("issueRefund") or {}
        pay = [(_tail(t["parentId"]), _cents(t["transactionAmount"]["amount"])) for t in transfer["orderTransactions"]]
        units = {sim_return_line.id: sim_return_line for sim_return_line in found.lines}
        shipping = _cents(((given.get("refundShipping") or {}).get("shippingRefundAmount") or {}).get("amount", 0))
        key = f"process-{found.id}-{sum(sim_return_line.processed for sim_return_line in found.lines)}"
        made = self._refund(
            order,
            [(units[i].line, n) for i, n in wanted],
            pay,
            note=given.get("note", "") if self.notes_reach_refunds else "",
            key=key,
            shipping=shipping,
        )
        for number, n in wanted:
            units[number].processed += n
        found.refunds.append(made.id)
        refunds = [_refund(refund) for refund in order.refunds if refund.id in found.refunds]
        return {"id": f"gid://shopify/Return/{found.id}", "refunds": {"nodes": refunds}}

    def _refund_create(self, v: Json) -> Json:
        given, key = v["input"], str(v["key"])
        order = self.shop.orders.get(_tail(given["orderId"]))
        if order is None:
            raise UserErrors(["orderId"], "Order not found.", "NOT_FOUND")
        content = repr(sorted(given.items()))
        if key in self._answers:
            if self._answers[key][0] != content:
                raise UserErrors(["key"], "This key came with other content.", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
            return self._answers[key][1]
        lines = [(_tail(x["lineItemId"]), int(x["quantity"])) for x in given.get("refundLineItems", [])]
        cancels = any(x["restockType"] == "CANCEL" for x in given.get("refundLineItems", []))
        if cancels:
            self._cancellable(order, given["refundLineItems"])
        for number, n in lines:
            line = order.line(number)
            back = sum(quantity for refund in order.refunds for i, quantity in refund.lines if i == number)
            if line is None or n < 1 or n > line.qty - back:
                raise UserErrors(
                    ["refundLineItems", "quantity"], "Quantity cannot refund more items than were purchased"
                )
        pay = [(_tail(t["parentId"]), _cents(t["amount"])) for t in given.get("transactions", [])]
        shipping = _cents((given.get("shipping") or {}).get("amount", 0))
        made = self._refund(order, lines, pay, note=given.get("note", ""), key=key, shipping=shipping, cancels=cancels)
        self._answers[key] = (content, {"id": f"gid://shopify/Refund/{made.id}"})
        return self._answers[key][1]

    def _cancellable(self, order: SimOrder, items: list[Json]) -> None:
        """Units to be cancelled are ones that nobody has fulfilled, and are restocked somewhere."""
        if order.cancelled_at is not None or any(fields["restockType"] != "CANCEL" for fields in items):
            raise UserErrors(["refundLineItems"], "Refund line items can't be cancelled.")
        for item in items:
            if not item.get("locationId"):
                raise UserErrors(["refundLineItems", "locationId"], "Location can't be blank when restocking")
        for number in {_tail(fields["lineItemId"]) for fields in items}:
            line, n = (
                order.line(number),
                sum(int(fields["quantity"]) for fields in items if _tail(fields["lineItemId"]) == number),
            )
            if line is None or n > line.remaining:
                raise UserErrors(
                    ["refundLineItems", "quantity"], "Quantity cannot cancel more items than are unfulfilled"
                )

    def _refund(
        self,
        order: SimOrder,
        lines: list[tuple[int, int]],
        pay: list[tuple[int, int]],
        *,
        note: str,
        key: str,
        shipping: int,
        cancels: bool = False,
    ) -> SimRefund:
        name = str(order.id)
        for payment, cents in pay:
            if cents > self.shop.payments.left(name, str(payment)):
                self.shop.payments.ledger.append("declined", code="above_captured", key=key, content=[name, str(cents)])
                raise UserErrors(["transactions"], "Refund amount is more than is available")
        try:
            for i, (payment, cents) in enumerate(pay):
                by = "wharfinger:cancel" if cancels else "wharfinger"
                self.shop.payments.refund(f"{key}/{i}", name, str(payment), cents, by=by)
        except Declined as e:
            raise UserErrors(["transactions"], str(e)) from e
        restock = "cancel" if cancels else "no_restock"
        made = SimRefund(order.id * 10 + len(order.refunds), self.shop.now(), lines, restock, note, shipping, pay)
        order.refunds.append(made)
        if cancels:
            self._cancelled(order, lines)
        left = sum(self.shop.payments.left(name, text) for text in self.shop.payments.captured(name))
        if pay:
            order.financial_status = "partially_refunded" if left else "refunded"
        shown = [{"line_id": str(i), "qty": n} for i, n in lines]
        amount = sum(cents for _, cents in pay)
        self.shop.changed(order, "refunded", refund=made.id, lines=shown, amount=amount, note=note)
        self.shop.tell(order, f"refund/{made.id}", "refunds/create", refund_body(order, made))
        return made

    def _cancelled(self, order: SimOrder, lines: list[tuple[int, int]]) -> None:
        for number, n in lines:
            line = order.line(number)
            if line is not None:
                line.cancelled += n
                self.shop.ledger.append(
                    "part_cancelled", order=order.id, line=str(number), sku=line.product.sku, qty=n, by="wharfinger"
                )


def _refund(refund: SimRefund) -> Json:
    total = {"amount": money(sum(cents for _, cents in refund.paid)), "currencyCode": "EUR"}
    return {
        "id": f"gid://shopify/Refund/{refund.id}",
        "note": refund.note,
        "totalRefundedSet": {"presentmentMoney": total},
    }
