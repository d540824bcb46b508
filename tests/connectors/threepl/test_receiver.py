"""Signatures over the raw bytes, by every active secret."""

from __future__ import annotations

import pytest

from connectors.protocols import BadSignature, Unreadable
from connectors.threepl.config import ThreePl
from connectors.threepl.receiver import ThreePlReceiver
from lab.simulators.threepl.webhooks import sign

NEW = "new"
BODY = b'{"reference":"main/shopify:acme:1/1"}'


def receiver(*secrets: str) -> ThreePlReceiver:
    return ThreePlReceiver("depot-a", ThreePl(api_url="http://wms.example", secrets=list(secrets)))


def headers(secret: str = NEW, body: bytes = BODY, **changes: str) -> dict[str, str]:
    signed = {
        "x-wms-signature": sign(secret, body),
        "x-wms-topic": "pick_order.updated",
        "x-wms-event-id": "e-1",
    }
    return {k: v for k, v in {**signed, **changes}.items() if v}


@pytest.mark.parametrize("secret", ["old", "new"])
def test_either_secret_is_good_while_one_is_being_rotated(secret: str) -> None:
    found = receiver("old", "new").verify(headers(secret), BODY)
    assert (found.topic, found.delivery_id) == ("pick_order.updated", "e-1")
    assert "x-wms-signature" not in found.headers


@pytest.mark.parametrize(
    ("secrets", "given", "body"),
    [
        pytest.param(("new",), headers("old"), BODY, id="a secret that is no longer active"),
        pytest.param(("new",), headers(), BODY + b" ", id="one byte more"),
        pytest.param(("new",), headers(**{"x-wms-signature": ""}), BODY, id="no signature"),
        pytest.param(("new",), headers(**{"x-wms-signature": "§§"}), BODY, id="no base64"),
        pytest.param((), headers(""), BODY, id="no secret configured"),
        pytest.param(("",), headers(""), BODY, id="an empty secret"),
    ],
)
def test_anything_else_is_refused(secrets: tuple[str, ...], given: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadSignature):
        receiver(*secrets).verify(given, body)


@pytest.mark.parametrize(
    ("given", "body"),
    [
        pytest.param(headers(**{"x-wms-topic": ""}), BODY, id="no topic"),
        pytest.param(headers(**{"x-wms-event-id": ""}), BODY, id="no event id"),
        pytest.param(headers(body=b"{"), b"{", id="no JSON"),
        pytest.param(headers(body=b"[" * 99 + b"]" * 99), b"[" * 99 + b"]" * 99, id="too deep"),
    ],
)
def test_a_signed_delivery_that_cant_be_read_is_unreadable(given: dict[str, str], body: bytes) -> None:
    with pytest.raises(Unreadable):
        receiver("new").verify(given, body)
