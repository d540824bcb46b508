"""What Bol's Retailer API says, v10 and the older names (v5 to v7) that stored bodies still have.

Field names are Bol's (its OpenAPI document). Unknown fields are let be: Bol adds some without a new version.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.protocols import TranslationError

__all__ = [
    "Details",
    "Order",
    "OrderItem",
    "ProcessStatus",
    "Push",
    "ReducedOrder",
    "Return",
    "ReturnItem",
    "Shipment",
    "parse",
    "read_body",
]


def _no_null(value: Any) -> Any:
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_no_null)]
Id = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Units = Annotated[int, Field(ge=1)]


class _Bol(BaseModel):
    # Numbers become text where text is due: shipmentId is a number in older answers, a string in v10.
    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


class Details(_Bol):
    """``shipmentDetails``, ``billingDetails``, ``customerDetails``; ``email`` is scrambled by Bol."""

    pickupPointName: Text = Field("", validation_alias=AliasChoices("pickupPointName", "pickUpPointName"))
    firstName: Text = ""
    surname: Text = ""
    streetName: Text = ""
    houseNumber: Text = ""
    houseNumberExtension: Text = ""
    extraAddressInformation: Text = ""
    zipCode: Text = ""
    city: Text = ""
    countryCode: Text = ""
    email: Text = ""
    company: Text = ""
    deliveryPhoneNumber: Text = ""
    language: Text = ""
    vatNumber: Text = ""


class Fulfilment(_Bol):
    """``method`` FBR (the retailer ships) or FBB (Bol ships from its own warehouse)."""

    method: Text = "FBR"
    distributionParty: Text = ""
    latestDeliveryDate: Text = ""
    exactDeliveryDate: Text = ""
    timeFrameType: Text = "REGULAR"


class Offer(_Bol):
    reference: Text = ""


class Product(_Bol):
    ean: Text = ""
    title: Text = ""


class Discount(_Bol):
    amount: Decimal = Decimal(0)


class OrderItem(_Bol):
    """An item of an order in full; prices include VAT, euros."""

    orderItemId: Id
    cancellationRequest: bool = False
    fulfilment: Fulfilment = Fulfilment()
    offer: Offer = Offer()
    product: Product = Product()
    quantity: Units
    quantityShipped: Count = 0
    quantityCancelled: Count = 0
    unitPrice: Decimal
    totalPrice: Decimal | None = None
    discounts: list[Discount] = []
    latestChangedDateTime: Text = ""


class Order(_Bol):
    """An order as ``GET /retailer/orders/{order-id}`` gives it."""

    orderId: Id
    pickupPoint: bool = Field(False, validation_alias=AliasChoices("pickupPoint", "pickUpPoint"))
    orderPlacedDateTime: Text = ""
    shipmentDetails: Details
    billingDetails: Details | None = None
    orderItems: Annotated[list[OrderItem], Field(min_length=1)]


class ReducedOrder(_Bol):
    """A row of ``GET /retailer/orders``: no address, no price, so it only says that the order is worth fetching."""

    orderId: Id


class ShipmentOrder(_Bol):
    orderId: Id


class ShipmentItem(_Bol):
    """``quantity`` is missing in list rows."""

    orderItemId: Id
    offer: Offer = Offer()
    product: Product = Product()
    ean: Text = ""
    quantity: Units | None = None


class TransportEvent(_Bol):
    eventCode: Text = ""
    eventDateTime: Text = ""


class Transport(_Bol):
    transportId: Text = ""
    transporterCode: Text = ""
    trackAndTrace: Text = ""
    transportEvents: list[TransportEvent] = []


class Shipment(_Bol):
    """``GET /retailer/shipments/{shipment-id}`` or a row of the list."""

    shipmentId: Id
    shipmentDateTime: Text = ""
    shipmentReference: Text = ""
    order: ShipmentOrder
    shipmentItems: Annotated[list[ShipmentItem], Field(min_length=1)]
    transport: Transport = Transport()


class ReturnReason(_Bol):
    mainReason: Text = ""
    detailedReason: Text = ""
    customerComments: Text = ""


class ProcessingResult(_Bol):
    quantity: Count = 0
    processingResult: Text = ""
    handlingResult: Text = ""
    processingDateTime: Text = ""


class ReturnItem(_Bol):
    """One RMA; the items of one return may belong to several orders."""

    rmaId: Id
    orderId: Id
    ean: Text = ""
    title: Text = ""
    expectedQuantity: Units
    returnReason: ReturnReason = ReturnReason()
    trackAndTrace: Text = ""
    transporterName: Text = ""
    handled: bool = False
    processingResults: list[ProcessingResult] = []


class Return(_Bol):
    """``GET /retailer/returns/{return-id}`` or a row of the list."""

    returnId: Id
    registrationDateTime: Text = ""
    fulfilmentMethod: Text = ""
    returnItems: list[ReturnItem] = []


class ProcessStatus(_Bol):
    """What became of an asynchronous request; ``id`` until v6."""

    processStatusId: Id = Field(validation_alias=AliasChoices("processStatusId", "id"))
    entityId: Text = ""
    eventType: Text = ""
    status: Text = ""
    errorMessage: Text = ""


class PushEvent(_Bol):
    resource: Id
    type: Text = ""
    resourceId: Id


class Push(_Bol):
    """A push message: a signal without the thing itself."""

    event: PushEvent


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], value: Any, at: str = "") -> M:
    """Read ``value`` as ``model``. Raises TranslationError with the path of the first field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as e:
        first = e.errors()[0]
        path = ".".join(str(number) for number in first["loc"])
        raise TranslationError(f"{at}.{path}".strip(".") or "$", first["msg"]) from e


def read_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; an HTTP answer stored with its head is let in. Numbers with a point become Decimal.

    Raises TranslationError where it is none, or where it is an error answer of Bol's (404, 429 …) or a token.
    """
    if body.startswith(b"HTTP/"):
        head, _, body = body.replace(b"\r\n", b"\n").partition(b"\n\n")
        status = head.split(b"\n", 1)[0].decode("latin-1").partition(" ")[2]
        if not status.startswith("2"):
            raise TranslationError(
                "status", f"Bol answered {status}: there is nothing to translate; send it again later"
            )
    try:
        value = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as e:
        raise TranslationError("$", f"the body is not JSON: {e}") from e
    if not isinstance(value, dict):
        raise TranslationError("$", f"an object is needed, this is {type(value).__name__}")
    if "access_token" in value:
        raise TranslationError("access_token", "this is the answer of the token endpoint, not of the Retailer API")
    if isinstance(value.get("status"), int) and "title" in value:
        detail = value.get("detail", "")
        raise TranslationError("status", f"Bol answered {value['status']} {value['title']}: {detail}")
    return value
