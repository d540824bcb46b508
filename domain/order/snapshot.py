"""Placing an order, and what a newer snapshot of it changes."""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.fulfilment.pullback import too_late
from domain.records.commands import OrderEdited, OrderUpserted
from domain.records.values import Address, EventLine, Order, OrderLine

from .dedupe import same_again, too_old
from .fulfilment.pullback import withdraw_all
from .rule_checks import check
from .session import OrderSession, event_line
from .state.order import Line, OrderState
from .state.reported import Header, StoredAddress

__all__ = ["edited", "upserted"]


def upserted(session: OrderSession, snapshot: OrderUpserted) -> None:
    """Fold a snapshot: the newest version counts; of two with one version, the one with the greater content hash."""
    _validate(snapshot)
    order, old = session.state, session.state.header
    if old is not None and (snapshot.order.version, snapshot.content_hash) <= (old.version, old.content_hash):
        if (snapshot.order.version, snapshot.content_hash) == (old.version, old.content_hash):
            same_again(session, snapshot.idempotency_key)
        else:
            too_old(session, f"version {snapshot.order.version}, in force is {old.version}")
        return
    order.header = new = _header(snapshot.order, snapshot.content_hash)
    changed, articles = _lines(order, snapshot.order.lines)
    if old is None:
        _placed(session, snapshot.order)
    else:
        _changed(session, old, new, changed, articles)
    check(session)


def edited(session: OrderSession, edit: OrderEdited) -> None:
    """An edit told as differences is a signal: the snapshot that follows it decides, so that nothing is applied twice."""
    header = session.state.header
    if header is not None and header.version >= edit.version:
        too_old(session, f"edit of version {edit.version}, in force is {header.version}")
        return
    lines = [EventLine(line_qty.line_id, line_qty.sku, line_qty.qty) for line_qty in edit.additions]
    lines += [EventLine(line_qty.line_id, line_qty.sku, -line_qty.qty) for line_qty in edit.removals]
    session.record("UPDATED", lines, reason="edit told as differences, its snapshot follows", at=edit.version or None)


def _validate(snapshot: OrderUpserted) -> None:
    if snapshot.order.order_key != snapshot.order_key:
        raise Rejected(
            "order.key", "order.order_key", f"{snapshot.order.order_key!r} in a record for {snapshot.order_key!r}"
        )
    seen: set[str] = set()
    for i, line in enumerate(snapshot.order.lines):
        if line.line_id in seen:
            raise Rejected("order.line", f"order.lines[{i}].line_id", f"{line.line_id!r} is there twice")
        if line.qty < 0 or line.cancelled < 0 or line.shipped < 0:
            raise Rejected("order.line", f"order.lines[{i}].qty", f"a negative quantity on line {line.line_id!r}")
        seen.add(line.line_id)


def _header(order: Order, content_hash: str) -> Header:
    address, delivery, client = order.client.shipping_address, order.delivery, order.client
    return Header(
        version=order.version,
        content_hash=content_hash,
        name=order.name or order.order_id,
        created_at=order.created_at,
        currency=order.currency,
        payment_state=order.payment_state,
        customer_key=client.customer_key,
        email=client.email,
        phone=client.phone,
        language=client.language,
        ship_to=_stored(address),
        ship_method=delivery.ship_method,
        service_level=delivery.service_level,
        carrier=delivery.carrier,
        latest_delivery=delivery.latest_delivery,
        total=order.total,
        shipping_total=order.shipping_total,
        shipping_tax=order.shipping_tax,
        tax_included=order.tax_included,
        tags=order.tags,
        payments=[(payment.payment_id, payment.gateway, payment.captured) for payment in order.payments],
        problems=[(problem.code, problem.field, problem.detail) for problem in order.problems],
        risk=order.risk,
        test=order.test,
        fulfilled_by=order.fulfilled_by,
        cancelled_at=order.cancelled_at,
        cancel_reason=order.cancel_reason,
        billing_country=client.billing_address.country if client.billing_address else "",
        discount=order.discount,
        exchange_for=order.exchange_for,
        root=order.root,
        stands_for=[(line.line_id, line.sku, line.qty, line.amount) for line in order.stands_for],
    )


def _stored(address: Address) -> StoredAddress:
    return StoredAddress(
        address.name,
        address.company,
        address.street1,
        address.street2,
        address.postcode,
        address.city,
        address.region,
        address.country,
        address.phone,
    )


def _lines(order: OrderState, shown: list[OrderLine]) -> tuple[list[Line], bool]:
    """Take the snapshot's lines over. Gives the lines whose units changed, and whether a line is another article now."""
    known, changed, articles = {x.line_id: x for x in order.lines}, [], False
    for order_line in shown:
        line = known.pop(order_line.line_id, None)
        if line is None:
            line = Line(order_line.line_id, order_line.sku)
            order.lines.append(line)
        if line.wanted != order_line.qty:
            changed.append(line)
        articles = articles or (line.sku != order_line.sku and line.ordered > 0)
        _take(line, order_line)
    for gone in known.values():
        if gone.wanted:
            changed.append(gone)
        gone.wanted = gone.shown_cancelled = gone.shown_outside = 0
    return changed, articles


def _take(line: Line, order_line: OrderLine) -> None:
    line.sku, line.title, line.variant_id, line.bundle_id = (
        order_line.sku,
        order_line.title,
        order_line.variant_id,
        order_line.bundle_id,
    )
    line.unit_price, line.discount, line.tax = order_line.unit_price, order_line.discount, order_line.tax
    line.requires_shipping, line.wanted, line.shown_cancelled = (
        order_line.requires_shipping,
        order_line.qty,
        order_line.cancelled,
    )
    # What the channel calls shipped includes the echo of our own parcels.
    line.shown_outside = max(0, order_line.shipped - (line.shipped - line.outside))


def _placed(session: OrderSession, order: Order) -> None:
    for line in session.state.lines:
        line.ordered = line.open = line.wanted
    why = "fulfilled by the channel" if order.fulfilled_by == "channel" else ("test order" if order.test else "")
    lines = [event_line(x, x.wanted) for x in session.state.lines]
    session.record("PLACED", lines, at=order.created_at, amount=order.total, reason=why)


def _changed(session: OrderSession, old: Header, new: Header, changed: list[Line], articles: bool) -> None:
    at = new.version
    session.record("UPDATED", at=at, amount=new.total)
    if changed:
        session.record("EDITED", [event_line(line, line.wanted) for line in changed], at=at)
    if new.payment_state != old.payment_state:
        session.record("PAYMENT_CHANGED", at=at, amount=new.total, reason=f"{old.payment_state} → {new.payment_state}")
    moved = _label(old) != _label(new)
    if moved:
        _moved(session, old, new)
    if moved or articles:
        withdraw_all(session, "address_changed" if moved else "edited")


def _label(header: Header) -> tuple[str, ...]:
    """What decides on the depot or stands on the label; a phone number does neither."""
    stored_address = header.ship_to
    where = (
        stored_address.name,
        stored_address.company,
        stored_address.street1,
        stored_address.street2,
        stored_address.postcode,
        stored_address.city,
        stored_address.region,
        stored_address.country,
    )
    return (*where, header.service_level, header.fulfilled_by)


def _moved(session: OrderSession, old: Header, new: Header) -> None:
    late = any(
        allocation.at_wms and any(line.unshipped for line in allocation.lines)
        for allocation in session.state.allocations
    )
    what = "country" if old.ship_to.country != new.ship_to.country else "address"
    if old.service_level != new.service_level:
        what = "service"
    why = f"{what} changed after the pick order: it is recalled" if late else f"{what} changed"
    session.record("ADDRESS_CHANGED", at=new.version, reason=why, intervention=late)
    _left_already(session)


def _left_already(session: OrderSession) -> None:
    """What is under way to the old address, and what a warehouse refused before to give up."""
    lines = {line.line_id: line for line in session.state.lines}
    away = [
        event_line(lines[line_qty.line_id], line_qty.qty)
        for shipment in session.state.shipments
        if not shipment.delivered_at and shipment.status != "RETURN_TO_SENDER"
        for line_qty in shipment.lines
        if line_qty.line_id in lines
    ]
    if away:
        too_late(session, away, None, "shipped already")
    for allocation in session.state.allocations:
        kept = [
            event_line(lines[line.line_id], line.unshipped)
            for line in allocation.lines
            if line.unshipped and line.line_id in lines
        ]
        if allocation.refused and kept:
            too_late(session, kept, allocation, "the warehouse refused")
