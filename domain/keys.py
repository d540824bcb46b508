"""How things are named: order keys and allocation ids.

A pool is ``[a-z0-9-]+``; an order key ``channel:account:channel_order_id`` has no ``/``; an allocation id is
``pool/order_key/n``, so whoever holds one (a WMS, a carrier) names the order and the pool with it. An RMA id is ``order_key/rN``; a return
parcel that names no order has a key of its own, ``returns:WMS:PARCEL``.
"""

from __future__ import annotations

from .errors import Rejected

__all__ = ["PARCELS", "allocation_id", "order_key", "parcel_key", "rma_id", "split_allocation_id", "split_rma_id"]

PARCELS = "returns"
"""The channel's place in the key of a return parcel that names no order."""


def order_key(channel: str, account: str, order_id: str) -> str:
    """The key of an order. Raises Rejected where a part is empty or holds a ``/`` (or ``:`` before the last part)."""
    key = f"{channel}:{account}:{order_id}"
    if not (channel and account and order_id) or "/" in key or ":" in channel or ":" in account:
        raise Rejected("order.key", "order_id", f"{key!r} can't be an order key: channel:account:order_id without '/'")
    return key


def allocation_id(pool: str, key: str, n: int) -> str:
    """The id of the ``n``-th allocation of an order in a pool."""
    return f"{pool}/{key}/{n}"


def split_allocation_id(text: str) -> tuple[str, str, int]:
    """The pool, order key and number of an allocation id. Raises Rejected where it is none of ours."""
    pool, _, rest = text.partition("/")
    key, _, n = rest.rpartition("/")
    if not (pool and key and n.isdigit()):
        raise Rejected("allocation.id", "allocation_id", f"{text!r} is not pool/order_key/n")
    return pool, key, int(n)


def rma_id(key: str, n: int) -> str:
    """The id of the ``n``-th return of an order."""
    return f"{key}/r{n}"


def split_rma_id(text: str) -> tuple[str, int]:
    """The order key and number of an RMA id. Raises Rejected where it is none of ours (a channel's own number, say)."""
    key, _, n = text.rpartition("/r")
    if key.count(":") < 2 or not all(key.split(":", 2)) or not (n.isascii() and n.isdigit()):
        raise Rejected("return.id", "rma_id", f"{text!r} is not order_key/rN")
    return key, int(n)


def parcel_key(wms: str, parcel: str) -> str:
    """The key under which a return parcel waits that names no order we know: its WMS and the number it has there."""
    return order_key(PARCELS, wms.replace(":", "-"), parcel.replace("/", "-"))
