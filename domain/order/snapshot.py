"""Placing an order, and what a newer snapshot of it changes."""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.fulfilment.pullback import too_late
from domain.records.commands import OrderEdited, OrderUpserted
from domain.records.values import Address, EventLine, Order, OrderLine

from .dedupe import same_again, too_old
from .fulfilment.pullback import withdraw_all
from .rule_checks import check
from .session import Turn, event_line
from .state.order import Line, OrderState
from .state.reported import Header, StoredAddress

__all__ = ["edited", "upserted"]


def upserted(turn: Turn, c: OrderUpserted) -> None:
    """Fold a snapshot: the newest version counts; of two with one version, the one with the greater content hash."""
    _validate(c)
    s, old = turn.state, turn.state.header
    if old is not None and (c.order.version, c.content_hash) <= (old.version, old.content_hash):
        if (c.order.version, c.content_hash) == (old.version, old.content_hash):
            same_again(turn, c.idempotency_key)
        else:
            too_old(turn, f"version {c.order.version}, in force is {old.version}")
        return
    s.header = new = _header(c.order, c.content_hash)
    changed, articles = _lines(s, c.order.lines)
    if old is None:
        _placed(turn, c.order)
    else:
        _changed(turn, old, new, changed, articles)
    check(turn)


def edited(turn: Turn, c: OrderEdited) -> None:
    """An edit told as differences is a signal: the snapshot that follows it decides, so that nothing is applied twice."""
    h = turn.state.header
    if h is not None and h.version >= c.version:
        too_old(turn, f"edit of version {c.version}, in force is {h.version}")
        return
    lines = [EventLine(x.line_id, x.sku, x.qty) for x in c.additions]
    lines += [EventLine(x.line_id, x.sku, -x.qty) for x in c.removals]
    turn.event("UPDATED", lines, reason="edit told as differences, its snapshot follows", at=c.version or None)


def _validate(c: OrderUpserted) -> None:
    if c.order.order_key != c.order_key:
        raise Rejected("order.key", "order.order_key", f"{c.order.order_key!r} in a record for {c.order_key!r}")
    seen: set[str] = set()
    for i, x in enumerate(c.order.lines):
        if x.line_id in seen:
            raise Rejected("order.line", f"order.lines[{i}].line_id", f"{x.line_id!r} is there twice")
        if x.qty < 0 or x.cancelled < 0 or x.shipped < 0:
            raise Rejected("order.line", f"order.lines[{i}].qty", f"a negative quantity on line {x.line_id!r}")
        seen.add(x.line_id)


def _header(o: Order, content_hash: str) -> Header:
    a, d, c = o.client.shipping_address, o.delivery, o.client
    return Header(
        version=o.version,
        content_hash=content_hash,
        name=o.name or o.order_id,
        created_at=o.created_at,
        currency=o.currency,
        payment_state=o.payment_state,
        customer_key=c.customer_key,
        email=c.email,
        phone=c.phone,
        language=c.language,
        ship_to=_stored(a),
        ship_method=d.ship_method,
        service_level=d.service_level,
        carrier=d.carrier,
        latest_delivery=d.latest_delivery,
        total=o.total,
        shipping_total=o.shipping_total,
        shipping_tax=o.shipping_tax,
        tax_included=o.tax_included,
        tags=o.tags,
        payments=[(p.payment_id, p.gateway, p.captured) for p in o.payments],
        problems=[(p.code, p.field, p.detail) for p in o.problems],
        risk=o.risk,
        test=o.test,
        fulfilled_by=o.fulfilled_by,
        cancelled_at=o.cancelled_at,
        cancel_reason=o.cancel_reason,
        billing_country=c.billing_address.country if c.billing_address else "",
        discount=o.discount,
        exchange_for=o.exchange_for,
        root=o.root,
        stands_for=[(x.line_id, x.sku, x.qty, x.amount) for x in o.stands_for],
    )


def _stored(a: Address) -> StoredAddress:
    return StoredAddress(a.name, a.company, a.street1, a.street2, a.postcode, a.city, a.region, a.country, a.phone)


def _lines(s: OrderState, shown: list[OrderLine]) -> tuple[list[Line], bool]:
    """Take the snapshot's lines over. Gives the lines whose units changed, and whether a line is another article now."""
    known, changed, articles = {x.line_id: x for x in s.lines}, [], False
    for o in shown:
        line = known.pop(o.line_id, None)
        if line is None:
            line = Line(o.line_id, o.sku)
            s.lines.append(line)
        if line.wanted != o.qty:
            changed.append(line)
        articles = articles or (line.sku != o.sku and line.ordered > 0)
        _take(line, o)
    for gone in known.values():
        if gone.wanted:
            changed.append(gone)
        gone.wanted = gone.shown_cancelled = gone.shown_outside = 0
    return changed, articles


def _take(line: Line, o: OrderLine) -> None:
    line.sku, line.title, line.variant_id, line.bundle_id = o.sku, o.title, o.variant_id, o.bundle_id
    line.unit_price, line.discount, line.tax = o.unit_price, o.discount, o.tax
    line.requires_shipping, line.wanted, line.shown_cancelled = o.requires_shipping, o.qty, o.cancelled
    # What the channel calls shipped includes the echo of our own parcels.
    line.shown_outside = max(0, o.shipped - (line.shipped - line.outside))


def _placed(turn: Turn, o: Order) -> None:
    for x in turn.state.lines:
        x.ordered = x.open = x.wanted
    why = "fulfilled by the channel" if o.fulfilled_by == "channel" else ("test order" if o.test else "")
    lines = [event_line(x, x.wanted) for x in turn.state.lines]
    turn.event("PLACED", lines, at=o.created_at, amount=o.total, reason=why)


def _changed(turn: Turn, old: Header, new: Header, changed: list[Line], articles: bool) -> None:
    at = new.version
    turn.event("UPDATED", at=at, amount=new.total)
    if changed:
        turn.event("EDITED", [event_line(x, x.wanted) for x in changed], at=at)
    if new.payment_state != old.payment_state:
        turn.event("PAYMENT_CHANGED", at=at, amount=new.total, reason=f"{old.payment_state} → {new.payment_state}")
    moved = _label(old) != _label(new)
    if moved:
        _moved(turn, old, new)
    if moved or articles:
        withdraw_all(turn, "address_changed" if moved else "edited")


def _label(h: Header) -> tuple[str, ...]:
    """What decides on the depot or stands on the label; a phone number does neither."""
    a = h.ship_to
    where = (a.name, a.company, a.street1, a.street2, a.postcode, a.city, a.region, a.country)
    return (*where, h.service_level, h.fulfilled_by)


def _moved(turn: Turn, old: Header, new: Header) -> None:
    late = any(a.at_wms and any(x.unshipped for x in a.lines) for a in turn.state.allocations)
    what = "country" if old.ship_to.country != new.ship_to.country else "address"
    if old.service_level != new.service_level:
        what = "service"
    why = f"{what} changed after the pick order: it is recalled" if late else f"{what} changed"
    turn.event("ADDRESS_CHANGED", at=new.version, reason=why, intervention=late)
    _left_already(turn)


def _left_already(turn: Turn) -> None:
    """What is under way to the old address, and what a warehouse refused before to give up."""
    lines = {x.line_id: x for x in turn.state.lines}
    away = [
        event_line(lines[u.line_id], u.qty)
        for x in turn.state.shipments
        if not x.delivered_at and x.status != "RETURN_TO_SENDER"
        for u in x.lines
        if u.line_id in lines
    ]
    if away:
        too_late(turn, away, None, "shipped already")
    for a in turn.state.allocations:
        kept = [event_line(lines[x.line_id], x.unshipped) for x in a.lines if x.unshipped and x.line_id in lines]
        if a.refused and kept:
            too_late(turn, kept, a, "the warehouse refused")
