"""Returns asked for over HTTP: signed, read strictly, deduplicated by the sender's own id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from connectors.base import BadSignature, TranslationError, Unreadable
from connectors.portal.config import PortalAccount
from connectors.portal.receiver import PortalReceiver
from domain.commands import ReturnRequested
from domain.values import ExchangeLine, ReturnLine

PORTAL = PortalReceiver("help", PortalAccount(secrets=["old", "new"]))
WHOLE: dict[str, Any] = {"order_key": "shopify:acme:1", "lines": [{"line_id": "l1", "qty": 1, "reason": "too small"}]}


def signed(body: bytes, key: str = "new", event_id: str = "e-1") -> dict[str, str]:
    digest = hmac.new(key.encode(), body, hashlib.sha256).digest()
    return {"x-wharf-signature": base64.b64encode(digest).decode(), "x-wharf-event-id": event_id}


def asked(event_id: str = "e-1", **changes: Any) -> ReturnRequested:
    body = json.dumps({**WHOLE, **changes}).encode()
    received = PORTAL.verify(signed(body, event_id=event_id), body)
    (fact,) = PORTAL.translate(received, body, 5, "0" * 32).orders
    assert isinstance(fact, ReturnRequested)
    return fact


def test_a_signed_request_becomes_a_fact_of_its_order() -> None:
    fact = asked(exchange=[{"sku": "B", "qty": 1, "unit_price": 2000}], kind="exchange", actor="Eva")
    assert (fact.order_key, fact.kind, fact.via, fact.actor) == ("shopify:acme:1", "exchange", "api", "Eva")
    assert fact.lines == [ReturnLine("l1", "", 1, "too small")]
    assert fact.exchange == [ExchangeLine("B", 1, 2000)]


def test_the_same_request_again_is_the_same_fact_and_another_is_not() -> None:
    one, again, other = asked(), asked(), asked("e-2")
    assert (one.event_id, one.idempotency_key) == (again.event_id, again.idempotency_key)
    assert other.idempotency_key != one.idempotency_key


def test_the_same_id_with_other_content_shows_as_a_conflict() -> None:
    one, other = asked(), asked(lines=[{"line_id": "l1", "qty": 2}])
    assert one.delivery_id == other.delivery_id
    assert one.content_hash != other.content_hash


def test_only_a_known_secret_may_ask() -> None:
    body = json.dumps(WHOLE).encode()
    assert PORTAL.verify(signed(body, "old"), body).delivery_id == "e-1"
    with pytest.raises(BadSignature):
        PORTAL.verify(signed(body, "guessed"), body)
    with pytest.raises(Unreadable, match="x-wharf-event-id"):
        PORTAL.verify(signed(body, event_id=""), body)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"order_key": "acme:1"}, "order_key", id="key"),
        pytest.param({"lines": []}, "lines", id="no-lines"),
        pytest.param({"lines": [{"qty": 1}]}, "lines[0]", id="no-article"),
        pytest.param({"lines": [{"sku": "A", "qty": 0}]}, "lines[0].qty", id="no-units"),
        pytest.param({"kind": "gift"}, "kind", id="kind"),
        pytest.param({"refund_all": True}, "$", id="unknown-field"),
    ],
)
def test_a_wrong_request_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(TranslationError) as e:
        asked(**changes)
    assert e.value.field == field
