"""Refunds, transactions, fulfilments, returns and edits to canonical facts. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from connectors.checks.customer import content_hash
from connectors.checks.money import check_currency, minor
from connectors.protocols import TranslationError
from domain.records.commands import FulfilmentReported, OrderEdited, PaymentChanged, RefundReported, ReturnReported
from domain.records.values import LineQty, RefundLine, RefundTransaction, ReturnLine

from . import payload as p
from .context import Context
from .fields import decode, gid_tail, millis, order_key, quantity
from .order import line_id

__all__ = ["edit", "fulfilment", "payment", "refund", "reported", "return_", "return_status"]

_RETURN_LINES: msgspec.json.Decoder[list[p.ReturnLineItem]] = msgspec.json.Decoder(list[p.ReturnLineItem])
_STATUS = {"error": "failure"}
_RETURN_STATUS = {
    "requested": "requested",
    "open": "approved",
    "declined": "declined",
    "canceled": "cancelled",
    "cancelled": "cancelled",
    "closed": "closed",
}


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _refund_currency(body: p.Refund, default: str) -> str:
    """The order's own currency where the refund can be told in it, else that of its transactions: a refund itself names none.

    A buyer who paid in another currency is paid back in it; the lines then show both, the transactions only theirs.
    """
    named = [transaction.currency for transaction in body.transactions or () if transaction.currency]
    shop = default
    for line in body.refund_line_items or ():
        for money in (line.subtotal_set, line.total_tax_set):
            if money and money.shop_money and money.shop_money.currency_code:
                shop = shop or money.shop_money.currency_code
    return check_currency(named[0], "transactions[0].currency") if named else shop


def _in(money: p.MoneySet | None, number: Decimal | None, currency: str, field: str) -> int:
    """The amount in ``currency``: from the set, where it has it, else the bare number."""
    for side in (money.shop_money, money.presentment_money) if money else ():
        if side and side.currency_code == currency:
            return minor(side.amount, currency, field)
    return minor(_text(number), currency, field)


def refund(body: p.Refund, context: Context, key: str = "", currency: str = "") -> RefundReported:
    """``amount`` is what was really paid back (successful refund transactions); the lines may add up to more or less.

    ``key`` and ``currency``: of the order whose body holds the refund (its own ``order_id`` may be another's in old bodies). A refund is
    told again as its transactions go on, so what it says is part of the fact's name: each telling is folded, whatever its hash.
    """
    if not key and body.order_id is None:
        raise TranslationError("order_id", "no order")
    key = key or order_key(context.account, str(body.order_id), "order_id")
    refund_id = gid_tail(body.admin_graphql_api_id, "Refund") or str(body.id)
    currency = _refund_currency(body, currency)
    if not currency and (body.refund_line_items or body.transactions):
        raise TranslationError("transactions[0].currency", "neither a transaction nor a line names the currency")
    lines = [_refund_line(item, i, currency) for i, item in enumerate(body.refund_line_items or ())]
    parts = _refund_parts(body, currency)
    amount = sum(refund_transaction.amount for refund_transaction in parts if refund_transaction.status == "success")
    content = (refund_id, amount, currency, lines, parts)
    digest = content_hash(*content)[:8]
    return RefundReported(
        **context.head("RefundReported", key, f"refund/{refund_id}@{digest}", *content),
        refund_id=refund_id,
        amount=amount,
        currency=currency,
        lines=lines,
        transactions=parts,
    )


def _refund_parts(body: p.Refund, currency: str) -> list[RefundTransaction]:
    """Its movements of money; a status that Shopify does not tell (old bodies) is success."""
    told = [
        (i, transaction)
        for i, transaction in enumerate(body.transactions or ())
        if transaction.kind in (None, "refund")
    ]
    return [
        RefundTransaction(
            gid_tail(transaction.admin_graphql_api_id, "OrderTransaction") or str(transaction.id),
            str(transaction.parent_id or ""),
            _STATUS.get(transaction.status or "success", transaction.status or "success"),
            minor(transaction.amount, currency, f"transactions[{i}].amount"),
        )
        for i, transaction in told
    ]


def _refund_line(refund_line_item: p.RefundLineItem, i: int, currency: str) -> RefundLine:
    field, item = f"refund_line_items[{i}]", refund_line_item.line_item or p.RefundedItem()
    return RefundLine(
        line_id=line_id(refund_line_item.line_item_id, item.admin_graphql_api_id),
        sku=item.sku or "",
        qty=quantity(refund_line_item.quantity, f"{field}.quantity"),
        amount=_in(refund_line_item.subtotal_set, refund_line_item.subtotal, currency, f"{field}.subtotal"),
        tax=_in(refund_line_item.total_tax_set, refund_line_item.total_tax, currency, f"{field}.total_tax"),
        restock=refund_line_item.restock_type or "",
    )


def payment(body: p.Transaction, context: Context) -> PaymentChanged:
    """A payment transaction, in its own currency."""
    if body.order_id is None:
        raise TranslationError("order_id", "no order")
    if not body.kind or not body.status:
        raise TranslationError("kind" if not body.kind else "status", "missing")
    currency = check_currency(body.currency or "", "currency")
    number = gid_tail(body.admin_graphql_api_id, "OrderTransaction") or str(body.id)
    amount = minor(body.amount, currency, "amount")
    key = order_key(context.account, str(body.order_id), "order_id")
    content = (number, body.kind, body.status, amount, currency)
    return PaymentChanged(
        **context.head("PaymentChanged", key, f"transaction/{number}@{body.status}", *content),
        transaction_id=number,
        kind=body.kind,
        status=body.status,
        amount=amount,
        currency=currency,
        payment_id=str(body.parent_id or ""),
        gateway=body.gateway or "",
    )


def fulfilment(body: p.Fulfillment, context: Context) -> FulfilmentReported:
    """A fulfilment as it now stands; ``status`` is Shopify's own word (success, cancelled, pending …)."""
    if body.order_id is None:
        raise TranslationError("order_id", "no order")
    number = gid_tail(body.admin_graphql_api_id, "Fulfillment") or str(body.id)
    version = millis(body.updated_at or body.created_at, "updated_at")
    items = enumerate(body.line_items or ())
    lines = [
        LineQty(
            line_id(line.id, line.admin_graphql_api_id),
            line.sku or "",
            quantity(line.quantity, f"line_items[{i}].quantity"),
        )
        for i, line in items
    ]
    key = order_key(context.account, str(body.order_id), "order_id")
    said = (number, (body.status or "").lower(), lines)
    tracking = (body.tracking_company or "", body.tracking_number or "", body.tracking_url or "")
    return FulfilmentReported(
        **context.head("FulfilmentReported", key, f"fulfilment/{number}@{version}", *said, *tracking),
        fulfilment_id=number,
        status=said[1],
        lines=lines,
        carrier=tracking[0],
        tracking_number=tracking[1],
        tracking_url=tracking[2],
    )


def edit(body: p.OrderEdit, context: Context) -> OrderEdited:
    """The differences of an edit; Shopify names lines by number alone here, without SKU."""
    version = millis(body.committed_at or body.created_at, "order_edit.committed_at")
    key = order_key(context.account, str(body.order_id), "order_edit.order_id")
    sides: list[list[LineQty]] = []
    for side in ("additions", "removals"):
        deltas: list[p.Delta] = getattr(body.line_items, side) or []
        field = f"order_edit.line_items.{side}"
        sides.append(
            [LineQty(str(delta.id), "", quantity(delta.delta, f"{field}[{i}].delta")) for i, delta in enumerate(deltas)]
        )
    return OrderEdited(
        **context.head("OrderEdited", key, f"edit/{body.id}", version, *sides),
        version=version,
        additions=sides[0],
        removals=sides[1],
    )


def return_status(status: str | None) -> str:
    """Our word for a Shopify return's status. Raises TranslationError."""
    known = _RETURN_STATUS.get((status or "").lower())
    if known is None:
        raise TranslationError("status", f"{status!r} is none of {', '.join(_RETURN_STATUS)}")
    return known


def _return_line(line_item: p.ReturnLineItem, i: int) -> ReturnLine:
    item = (line_item.fulfillment_line_item and line_item.fulfillment_line_item.line_item) or p.Resource()
    return ReturnLine(
        line_id=gid_tail(item.admin_graphql_api_id, "LineItem") or str(item.id or ""),
        sku="",
        qty=quantity(line_item.quantity, f"return_line_items[{i}].quantity"),
        reason=line_item.return_reason or "",
        comment=line_item.customer_note or line_item.return_reason_note or "",
    )


def return_(body: p.Return, context: Context) -> ReturnReported | None:
    """A return, or None where the body does not name the order (``returns/update``, ``returns/process``): fetch it."""
    order = body.order or p.Resource()
    order_id = gid_tail(order.admin_graphql_api_id, "Order") or str(order.id or "")
    number = gid_tail(body.admin_graphql_api_id, "Return") or str(body.id or "")
    if not number:
        raise TranslationError("id", "neither id nor admin_graphql_api_id names the return")
    if not order_id:
        return None
    listed = bytes(body.return_line_items)[:1] == b"["
    items = decode(_RETURN_LINES, body.return_line_items) if listed else []
    lines = [_return_line(x, i) for i, x in enumerate(items)]
    return reported(context, order_id, number, return_status(body.status), lines, rma=body.name or "")


def reported(
    context: Context, order_id: str, number: str, status: str, lines: list[ReturnLine], *, rma: str = ""
) -> ReturnReported:
    """The fact; a return has no version, so its content is part of the fact's name."""
    key = order_key(context.account, order_id, "order.id")
    digest = content_hash(number, rma, status, lines)
    head = context.head("ReturnReported", key, f"return/{number}@{status}/{digest[:8]}", number, rma, status, lines)
    return ReturnReported(
        **head, return_id=number, rma_id=rma, status=status, lines=lines, carrier="", tracking_number=""
    )
