"""Returns asked for over HTTP: signed, read strictly, deduplicated by the sender's own id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.portal.config import PortalAccount
from connectors.portal.receiver import PortalReceiver
from connectors.protocols import BadSignature, Received, TranslationError, Unreadable
from domain.records.commands import ReturnRequested
from domain.records.values import ExchangeLine, ReturnLine

PORTAL = PortalReceiver("help", PortalAccount(secrets=["old", "new"], accounts=["shopify:acme"]))
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
    with pytest.raises(Unreadable) as e:
        asked(**changes)
    assert str(e.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"order_key": "shopify:other:1"}, "order_key: the portal help may not speak of", id="account"),
        pytest.param({"order_key": "bol:acme:1"}, "order_key: the portal help may not speak of", id="channel"),
        pytest.param({"order_key": "shopify:acme:" + "1" * 300}, "order_key: .* length <= 300", id="key"),
        pytest.param({"actor": "a" * 101}, "actor: .* length <= 100", id="actor"),
        pytest.param({"lines": [{"sku": "A", "qty": 1, "reason": "r" * 301}]}, r"reason: .*<= 300", id="reason"),
        pytest.param({"lines": [{"sku": "A", "qty": 1, "comment": "c" * 2001}]}, r"comment: .*<= 2000", id="comment"),
        pytest.param({"lines": [{"sku": "A" * 301, "qty": 1}]}, r"sku: .*<= 300", id="sku"),
        pytest.param({"lines": [{"sku": "A", "qty": 10_000}]}, r"qty: .*<= 9999", id="units"),
        pytest.param({"lines": [{"sku": "A", "qty": 1}] * 201}, r"lines: .*<= 200", id="lines"),
        pytest.param({"exchange": [{"sku": "B", "qty": 1}] * 201}, r"exchange: .*<= 200", id="exchange"),
        pytest.param({"exchange": [{"sku": "B", "qty": 1, "title": "t" * 301}]}, r"title: .*<= 300", id="title"),
        pytest.param(
            {"exchange": [{"sku": "B", "qty": 1, "unit_price": 10**18}]}, r"unit_price: .*<= 1000", id="price"
        ),
        pytest.param({"exchange": [{"sku": "B", "qty": 1, "tax": -1}]}, r"tax: .*>= 0", id="tax"),
        pytest.param({"kind": "claim", "amount": 10**18}, r"amount: .*<= 1000", id="amount"),
        pytest.param({"kind": "claim", "amount": 10**30}, r"amount: ", id="a number beyond any machine's"),
        pytest.param(
            {"lines": [{"sku": "A", "qty": 1, "comment": "c" * 1999}] * 40}, "the body: at most 65536", id="body"
        ),
    ],
)
def test_what_is_beyond_a_limit_or_of_another_account_is_refused_with_the_field_and_the_limit(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(Unreadable, match=said):
        asked(**changes)


def test_a_request_in_the_dlq_of_before_the_binding_stays_refused() -> None:
    body = json.dumps({**WHOLE, "order_key": "shopify:other:1"}).encode()
    with pytest.raises(TranslationError, match="may not speak of"):
        PORTAL.translate(Received("return.request", "e-1", {}), body, 5, "0" * 32)


@pytest.mark.parametrize("accounts", [None, [], ["acme"], ["shopify:"], ["shopify:a:b"], ["*"]])
def test_a_portal_that_is_bound_to_no_account_is_no_portal(accounts: list[str] | None) -> None:
    given = {} if accounts is None else {"accounts": accounts}
    with pytest.raises(ValidationError, match="accounts"):
        PortalAccount.model_validate({"secrets": ["s"], **given})
