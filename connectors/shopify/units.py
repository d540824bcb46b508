"""How many units of a line Shopify itself counts as shipped and as cancelled.

Shopify's ``current_quantity`` is the ordered quantity less everything refunded or removed by an edit, shipped or not. So it does not
tell a cancelled unit from a returned one; these rules do.
"""

from __future__ import annotations

from collections.abc import Sequence

from .payload import Fulfillment, LineItem, Refund

__all__ = ["cancelled_units", "shipped_units"]

_VOID = frozenset({"cancelled", "error", "failure"})
_RETURNED = frozenset({"return", "legacy_restock"})


def shipped_units(item: LineItem, fulfillments: Sequence[Fulfillment]) -> int:
    """Units in fulfilments that stand."""
    lines = (
        line for fulfillment in fulfillments if fulfillment.status not in _VOID for line in fulfillment.line_items or ()
    )
    return sum(max(0, line.quantity) for line in lines if line.id == item.id)


def cancelled_units(item: LineItem, refunds: Sequence[Refund], shipped: int) -> int:
    """Units that will not ship: removed before shipping.

    A refund with restock type ``cancel`` says so for certain; ``return`` means the unit had shipped. The rest (``no_restock`` refunds,
    edits) is a cancellation only as far as the units are neither shipped nor still fulfillable: a shipped and refunded unit that the customer
    keeps is not one. Never more than was not shipped.
    """
    unshipped = item.quantity - shipped
    if unshipped <= 0 or (not refunds and item.current_quantity in (None, item.quantity)):
        return 0
    mine = [line for refund in refunds for line in refund.refund_line_items or () if line.line_item_id == item.id]
    certain = sum(line.quantity for line in mine if line.restock_type == "cancel")
    if item.current_quantity is None:
        return max(0, min(certain, unshipped))
    returned = sum(line.quantity for line in mine if line.restock_type in _RETURNED)
    unsure = item.quantity - item.current_quantity - certain - returned
    fulfillable = item.fulfillable_quantity or 0
    return max(0, min(unshipped, certain + max(0, min(unsure, unshipped - fulfillable - certain))))
