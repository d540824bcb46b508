"""Bol's bodies become canonical facts, or an error that names the field."""

from __future__ import annotations

import copy
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.bol.orders import _end_of_day as end_of_day
from connectors.bol.orders import millis as order_millis
from connectors.bol.translate import shipment_reference, split_reference, translate
from connectors.protocols import Translation, TranslationError
from domain.records.commands import FulfilmentReported, OrderCancelled, OrderUpserted, ReturnReported, ShipmentTracked

NOW, TRACE = 1_774_000_000_000, "0" * 31 + "1"
DETAILS = {
    "salutation": "MALE",
    "firstName": "Bram",
    "surname": "Bakker",
    "streetName": "Kerkstraat",
    "houseNumber": "12",
    "houseNumberExtension": "B",
    "zipCode": "3511AB",
    "city": "Utrecht",
    "countryCode": "NL",
    "email": "x1@verkopen.example",
    "language": "nl",
}
ITEM = {
    "orderItemId": "2012345678",
    "cancellationRequest": False,
    "fulfilment": {"method": "FBR", "latestDeliveryDate": "2026-03-29", "timeFrameType": "REGULAR"},
    "offer": {"offerId": "o-1", "reference": "WH-1000"},
    "product": {"ean": "8712340000018", "title": "Desk lamp"},
    "quantity": 3,
    "quantityShipped": 0,
    "quantityCancelled": 0,
    "unitPrice": 29.99,
    "totalPrice": 79.97,
    "discounts": [{"title": "Actie", "amount": 10.00}],
    "commission": 5.1,
    "latestChangedDateTime": "2026-03-27T10:15:30+01:00",
}
ORDER: dict[str, Any] = {
    "orderId": "A2K8290LP8",
    "pickupPoint": False,
    "orderPlacedDateTime": "2026-03-27T09:00:00+01:00",
    "shipmentDetails": DETAILS,
    "orderItems": [ITEM],
}


def run(topic: str, value: object, account: str = "acme") -> Translation:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return translate(topic, body, account, NOW, TRACE)


def order(**changes: Any) -> dict[str, Any]:
    """The order with changes to its first item (``item__…``) or to itself."""
    body = copy.deepcopy(ORDER)
    for name, value in changes.items():
        target = body["orderItems"][0] if name.startswith("item__") else body
        target[name.removeprefix("item__")] = value
    return body


def upserted(value: object) -> OrderUpserted:
    first = run("orders", value).orders[0]
    assert isinstance(first, OrderUpserted)
    return first


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def test_an_order_becomes_one_snapshot_in_minor_units_without_a_float() -> None:
    fact = upserted(ORDER)
    assert fact.order_key == "bol:acme:A2K8290LP8"
    line = fact.order.lines[0]
    assert (line.sku, line.variant_id, line.qty) == ("WH-1000", "8712340000018", 3)
    assert (line.unit_price, line.discount, fact.order.total) == (2999, 1000, 7997)
    assert fact.order.payment_state == "paid"
    assert fact.order.payments[0].captured == 7997
    assert fact.order.client.shipping_address.street1 == "Kerkstraat 12 B"
    assert fact.order.problems == []
    assert fact.order.fulfilled_by == "merchant"


@pytest.mark.parametrize(
    ("text", "cents"), [("0.29", 29), ("1.1", 110), ("19.990", 1999), ("30", 3000), ("1e1", 1000), ("4.35", 435)]
)
def test_a_price_is_read_as_it_is_written_and_never_as_a_float(text: str, cents: int) -> None:
    item = {k: v for k, v in ITEM.items() if k not in {"totalPrice", "discounts"}}
    body = json.dumps(order(orderItems=[{**item, "unitPrice": "PRICE"}])).replace('"PRICE"', text).encode()
    assert upserted(body).order.lines[0].unit_price == cents


def test_the_promise_ends_with_the_dutch_day_on_which_summer_time_begins() -> None:
    assert upserted(ORDER).order.delivery.latest_delivery == ms(2026, 3, 29, 22, 0) - 1


def test_an_exact_delivery_date_is_the_promise() -> None:
    exact = {"method": "FBR", "exactDeliveryDate": "2026-03-25", "timeFrameType": "APPOINTMENT"}
    delivery = upserted(order(item__fulfilment=exact)).order.delivery
    assert delivery.latest_delivery == ms(2026, 3, 25, 23, 0) - 1
    assert delivery.service_level == "appointment"


def test_the_version_is_the_last_change_and_grows_with_units_handled_in_the_same_second() -> None:
    before = upserted(ORDER).order.version
    after = upserted(order(item__quantityShipped=2, item__quantityCancelled=1)).order.version
    assert before == ms(2026, 3, 27, 9, 15, 30)
    assert before < after < before + 1000


def test_an_old_body_without_a_change_time_has_the_time_it_was_placed() -> None:
    body = order()
    del body["orderItems"][0]["latestChangedDateTime"]
    assert upserted(body).order.version == ms(2026, 3, 27, 8, 0)
    del body["orderPlacedDateTime"]
    with pytest.raises(TranslationError) as e:
        run("orders", body)
    assert e.value.field == "orderPlacedDateTime"


def test_a_wish_to_cancel_is_one_fact_however_the_item_changes_after_it() -> None:
    facts = run("orders", order(item__cancellationRequest=True)).orders
    later = run("orders", order(item__cancellationRequest=True, item__quantityShipped=1)).orders
    assert [type(x) for x in facts] == [OrderUpserted, OrderCancelled]
    wish, again = facts[1], later[1]
    assert isinstance(wish, OrderCancelled)
    assert isinstance(again, OrderCancelled)
    assert (wish.lines[0].line_id, wish.lines[0].qty, wish.reason) == ("2012345678", 3, "REQUESTED_BY_CUSTOMER")
    assert (again.idempotency_key, again.content_hash, again.event_id) == (
        wish.idempotency_key,
        wish.content_hash,
        wish.event_id,
    )


def test_a_wish_that_was_granted_is_told_as_cancelled_units_only() -> None:
    facts = run("orders", order(item__cancellationRequest=True, item__quantityCancelled=3)).orders
    assert len(facts) == 1
    assert isinstance(facts[0], OrderUpserted)
    assert facts[0].order.lines[0].cancelled == 3
    assert facts[0].order.cancelled_at == facts[0].order.version


def test_what_bol_ships_itself_is_the_channels_and_a_mixed_order_keeps_our_part() -> None:
    fbb = {**ITEM, "orderItemId": "2", "fulfilment": {"method": "FBB", "timeFrameType": "REGULAR"}}
    assert upserted(order(orderItems=[fbb])).order.fulfilled_by == "channel"
    mixed = upserted(order(orderItems=[ITEM, fbb])).order
    assert mixed.fulfilled_by == "merchant"
    assert [x.requires_shipping for x in mixed.lines] == [True, False]


@pytest.mark.parametrize("key", ["pickupPoint", "pickUpPoint"])
def test_a_pickup_point_by_its_old_and_new_name(key: str) -> None:
    details = {**DETAILS, f"{key}Name": "Afhaalpunt UTRECHT"}
    body = order(shipmentDetails=details)
    del body["pickupPoint"]
    body[key] = True
    found = upserted(body).order
    assert found.delivery.ship_method == "PICKUP_POINT"
    assert found.client.shipping_address.company == "Afhaalpunt UTRECHT"
    assert "pickup_point" in found.tags


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"shipmentDetails": {**DETAILS, "zipCode": "0"}}, "address.postcode", id="postcode"),
        pytest.param({"shipmentDetails": {**DETAILS, "deliveryPhoneNumber": "12"}}, "phone.invalid", id="phone"),
        pytest.param({"item__totalPrice": 80.00}, "money.total", id="total that does not add up"),
    ],
)
def test_what_the_checks_find_is_told_with_the_order(changes: dict[str, Any], code: str) -> None:
    assert code in {p.code for p in upserted(order(**changes)).order.problems}


def test_a_row_of_the_list_has_no_address_so_its_order_is_to_be_fetched() -> None:
    row = {"orderId": "A2K8290LP8", "orderItems": [{"orderItemId": "1", "ean": "8", "quantity": 1}]}
    result = run("orders", {"orders": [row]})
    assert result.orders == []
    fetch = result.refetch[0]
    assert (fetch.resource, fetch.resource_id, fetch.target) == ("order", "A2K8290LP8", "bol:acme")
    assert run("orders", {"orders": [row]}).refetch[0].event_id == fetch.event_id


SHIPMENT: dict[str, Any] = {
    "shipmentId": 914587795,
    "shipmentDateTime": "2026-03-28T19:20:11+01:00",
    "shipmentReference": "main/bol:acme:A2K8290LP8/1#depot-a-1-s1",
    "order": {"orderId": "A2K8290LP8"},
    "shipmentItems": [{"orderItemId": "2012345678", "quantity": 3, "offer": {"reference": "WH-1000"}}],
    "transport": {
        "transportId": 3,
        "transporterCode": "TNT",
        "trackAndTrace": "3S1",
        "transportEvents": [
            {"eventCode": "PRE_ANNOUNCED", "eventDateTime": "2026-03-28T20:00:00+01:00"},
            {"eventCode": "DELIVERED_AT_NEIGHBOURS", "eventDateTime": "2026-03-29T12:00:00+02:00"},
        ],
    },
}


@pytest.mark.parametrize("number", [914587795, "914587795"], ids=["a number (v5-7)", "a string (v10)"])
def test_a_shipment_becomes_a_fulfilment_and_our_own_tells_its_scans(number: object) -> None:
    facts = run("shipments", {**SHIPMENT, "shipmentId": number}).orders
    assert [type(x) for x in facts] == [FulfilmentReported, ShipmentTracked]
    done, scan = facts
    assert isinstance(done, FulfilmentReported)
    assert isinstance(scan, ShipmentTracked)
    assert (done.fulfilment_id, done.lines[0].qty, done.tracking_number) == ("914587795", 3, "3S1")
    assert (scan.allocation_id, scan.shipment_id, scan.status) == (
        "main/bol:acme:A2K8290LP8/1",
        "depot-a-1-s1",
        "DELIVERED",
    )


def test_a_row_of_the_shipments_list_has_no_quantity_so_it_is_to_be_fetched() -> None:
    row = {**SHIPMENT, "shipmentItems": [{"orderItemId": "1", "ean": "8"}]}
    result = run("shipments", {"shipments": [row]})
    assert [(x.resource, x.resource_id) for x in result.refetch] == [("shipment", "914587795")]


def test_a_reference_names_allocation_and_shipment_and_a_long_one_is_the_effects_id() -> None:
    name = shipment_reference("main/bol:acme:1/1", "s-1", "id")
    assert split_reference(name) == ("main/bol:acme:1/1", "s-1")
    assert shipment_reference("main/bol:acme:1/1", "s" * 90, "the-id") == "the-id"
    assert split_reference("BOLCOM001") == ("", "")


def rma(**changes: Any) -> dict[str, Any]:
    base = {
        "rmaId": "60282945",
        "orderId": "1044194100",
        "ean": "3138520283072",
        "expectedQuantity": 3,
        "returnReason": {"mainReason": "Geen reden", "customerComments": "te groot"},
        "handled": False,
        "processingResults": [],
    }
    return {**base, **changes}


def returned(*items: dict[str, Any]) -> list[ReturnReported]:
    body = {"returnId": "15896813", "registrationDateTime": "2026-03-09T13:04:22+01:00", "returnItems": list(items)}
    facts = run("returns", body).orders
    assert all(isinstance(x, ReturnReported) for x in facts)
    return [x for x in facts if isinstance(x, ReturnReported)]


def test_one_return_with_items_of_two_orders_is_a_fact_of_each() -> None:
    facts = returned(rma(), rma(rmaId="2", orderId="1043965710"))
    assert [x.order_key for x in facts] == ["bol:acme:1044194100", "bol:acme:1043965710"]
    assert {x.return_id for x in facts} == {"15896813"}
    assert [x.status for x in facts] == ["approved", "approved"]
    assert facts[0].lines[0].sku == "3138520283072"
    assert (facts[0].lines[0].reason, facts[0].lines[0].comment) == ("Geen reden", "te groot")


def result(quantity: int, processing: str, handling: str) -> dict[str, Any]:
    return {"quantity": quantity, "processingResult": processing, "handlingResult": handling, "processingDateTime": "x"}


@pytest.mark.parametrize(
    ("item", "status", "lines"),
    [
        pytest.param(
            rma(handled=True, processingResults=[result(3, "ACCEPTED", "RETURN_RECEIVED")]),
            "handled",
            [(3, "RETURN_RECEIVED")],
            id="received",
        ),
        pytest.param(
            rma(handled=True, processingResults=[result(3, "CANCELLED", "EXPIRED")]),
            "cancelled",
            [(3, "EXPIRED")],
            id="expired",
        ),
        pytest.param(
            rma(processingResults=[result(2, "ACCEPTED", "RETURN_RECEIVED")]),
            "received",
            [(2, "RETURN_RECEIVED"), (1, "")],
            id="in part",
        ),
        pytest.param(rma(handled=True), "handled", [(3, "")], id="handled, without a result (v5-7)"),
    ],
)
def test_the_state_of_a_return_is_that_of_its_results(item: dict[str, Any], status: str, lines: list[Any]) -> None:
    fact = returned(item)[0]
    assert fact.status == status
    assert [(x.qty, x.result) for x in fact.lines] == lines


@pytest.mark.parametrize("key", ["id", "processStatusId"], ids=["v5-6", "v7+"])
def test_a_pending_process_is_worth_another_look_and_an_ended_one_says_nothing_of_an_order(key: str) -> None:
    body = {key: 1, "entityId": "6107434013", "eventType": "CREATE_SHIPMENT", "status": "PENDING"}
    assert [(x.resource, x.resource_id) for x in run("process-status", body).refetch] == [("process-status", "1")]
    assert run("process-status", {**body, "status": "SUCCESS"}) == Translation()


@pytest.mark.parametrize(
    ("resource", "expected"),
    [("PROCESS_STATUS", "process-status"), ("SHIPMENT", "shipment"), ("ORDER", "order")],
)
def test_a_push_message_is_only_a_signal(resource: str, expected: str) -> None:
    body = {"retailerId": 1, "timestamp": "x", "event": {"resource": resource, "type": "SUCCESS", "resourceId": "77"}}
    assert [(x.resource, x.resource_id) for x in run("process-status", body).refetch] == [(expected, "77")]


@pytest.mark.parametrize(
    ("topic", "body", "field"),
    [
        pytest.param("refunds", {}, "topic", id="no topic of Bol's"),
        pytest.param("orders", b"{", "$", id="no JSON"),
        pytest.param("orders", [], "$", id="no object"),
        pytest.param("orders", {"returns": []}, "$", id="another topic's body"),
        pytest.param("orders", {"orders": {}}, "orders", id="no list"),
        pytest.param("orders", order(item__quantity=0), "orderItems.0.quantity", id="no units"),
        pytest.param("orders", order(item__quantity=-1), "orderItems.0.quantity", id="negative units"),
        pytest.param("orders", order(item__unitPrice="x"), "orderItems.0.unitPrice", id="no price"),
        pytest.param("orders", order(item__unitPrice=1.005), "orderItems.0.unitPrice", id="a tenth of a cent"),
        pytest.param("orders", order(item__offer={}, item__product={}), "orderItems.0.product.ean", id="no article"),
        pytest.param("orders", order(orderId="a/b"), "orderId", id="an id with a slash"),
        pytest.param("orders", order(orderItems=[]), "orderItems", id="no items"),
        pytest.param(
            "orders",
            order(item__fulfilment={"method": "FBR", "latestDeliveryDate": "soon"}),
            "orderItems.0.fulfilment.latestDeliveryDate",
            id="no date",
        ),
        pytest.param("orders", {"status": 404, "title": "Not Found", "detail": "no order"}, "status", id="a 404"),
        pytest.param("orders", b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 4\r\n\r\n{}", "status", id="a 429"),
        pytest.param("orders", {"access_token": "s", "expires_in": 299}, "access_token", id="a token"),
        pytest.param("returns", {"returnId": "1", "returnItems": [{"rmaId": "1"}]}, "returnItems.0.orderId", id="rma"),
        pytest.param("process-status", {"id": 1, "status": "DONE"}, "status", id="no status of Bol's"),
        pytest.param("orders", {"event": {"resource": "PRICE", "resourceId": "1"}}, "event.resource", id="push"),
    ],
)
def test_what_cant_be_translated_names_the_field(topic: str, body: object, field: str) -> None:
    with pytest.raises(TranslationError) as e:
        run(topic, body)
    assert e.value.field == field


def test_no_secret_of_a_stray_token_is_repeated() -> None:
    with pytest.raises(TranslationError) as e:
        run("orders", {"access_token": "very-secret", "expires_in": 299})
    assert "very-secret" not in str(e.value)


def test_an_http_answer_with_its_head_is_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.retailer.v10+json\r\n\r\n"
    assert upserted(head + json.dumps(ORDER).encode()) == upserted(ORDER)


def _samples() -> Path | None:
    """Real bodies, where they are: ``CHANNEL_SAMPLES`` or ``../shared/samples`` next to the repository."""
    root = Path(__file__).resolve().parents[3]
    places = (os.environ.get("CHANNEL_SAMPLES"), root.parent / "shared" / "samples")
    return next((Path(p) / "bol" for p in places if p and (Path(p) / "bol").is_dir()), None)


EXPECTED = {
    "order_by_id_fbb.json": ("orders", ["OrderUpserted"], []),
    "http_order_by_id_v10.txt": ("orders", ["OrderUpserted"], []),
    "orders_list.json": ("orders", [], ["order"] * 4),
    "http_orders_list_v10.txt": ("orders", [], ["order"] * 4),
    "shipment_by_id_pickup_point.json": ("shipments", ["FulfilmentReported"], []),
    "shipments_list.json": ("shipments", [], ["shipment"] * 4),
    "return_by_id_two_orders.json": ("returns", ["ReturnReported"] * 2, []),
    "returns_handled.json": ("returns", ["ReturnReported"] * 4, []),
    "returns_unhandled.json": ("returns", ["ReturnReported"], []),
    "process_status_list.json": ("process-status", [], ["process-status"]),
    "process_status_pending_confirm_shipment.json": ("process-status", [], ["process-status"]),
    "process_status_pending_handle_return.json": ("process-status", [], ["process-status"]),
    "push_process_status_success.json": ("process-status", [], ["process-status"]),
    "error_404_order.json": ("orders", "status", []),
    "http_429.txt": ("orders", "status", []),
    "http_token.txt": ("orders", "access_token", []),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_real_sample_is_translated_or_refused_clearly(name: str) -> None:
    samples = _samples()
    if samples is None or not (samples / name).is_file():
        pytest.skip("no channel samples here: set CHANNEL_SAMPLES to their folder")
    topic, facts, fetches = EXPECTED[name]
    body = (samples / name).read_bytes()
    if isinstance(facts, str):
        with pytest.raises(TranslationError) as e:
            run(topic, body)
        assert e.value.field == facts
        return
    found = run(topic, body)
    assert [type(x).__name__ for x in found.orders] == facts
    assert [x.resource for x in found.refetch] == fetches
    assert run(topic, body) == run(topic, body)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59", "1999-12-31T23:59:59Z"])
def test_a_time_of_another_century_names_its_field(text: str) -> None:
    with pytest.raises(TranslationError, match=r"orderPlacedDateTime.*2000 to 2099"):
        order_millis(text, "orderPlacedDateTime")


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01"])
def test_a_day_of_another_century_names_its_field(text: str) -> None:
    with pytest.raises(TranslationError, match=r"latestDeliveryDate.*2000 to 2099"):
        end_of_day(text, "latestDeliveryDate")
