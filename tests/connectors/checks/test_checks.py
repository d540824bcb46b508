"""Money, addresses, phones, hashes, JSON depth."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.checks import address as address_check
from connectors.checks.customer import address_hash, content_hash, customer_key
from connectors.checks.money import check_currency, minor, plain
from connectors.checks.phone import e164
from connectors.json_check import MAX_DEPTH, check, depth
from connectors.protocols import BadSignature, TranslationError, Unreadable
from connectors.signatures import sign, verify
from domain.records.values import Address

GOOD = Address(name="Jan", street1="Keizersgracht 1", postcode="1015 CN", city="Amsterdam", country="NL")


@pytest.mark.parametrize(
    ("text", "currency", "cents"),
    [
        ("26.66", "EUR", 2666),
        ("26.6", "EUR", 2660),
        ("26", "EUR", 2600),
        ("-0.05", "EUR", -5),
        ("1200", "JPY", 1200),
        ("1200.00", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("0.1", "KWD", 100),
        ("0.10000", "EUR", 10),
        (None, "EUR", 0),
    ],
)
def test_amounts_are_exact_in_minor_units(text: str | None, currency: str, cents: int) -> None:
    assert minor(text, currency, "price") == cents


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.234", "EUR"),
        ("1.5", "JPY"),
        ("1.2345", "KWD"),
        ("example string", "EUR"),
        ("", "EUR"),
        ("1,50", "EUR"),
        ("1e3", "EUR"),
        ("NaN", "EUR"),
        ("１２", "EUR"),
        (" 1", "EUR"),
        ("9" * 30, "EUR"),
    ],
)
def test_what_is_no_amount_names_its_field(text: str, currency: str) -> None:
    with pytest.raises(TranslationError) as e:
        minor(text, currency, "line_items[2].price")
    assert e.value.field == "line_items[2].price"


@given(st.integers(1 - 10**12, 10**12 - 1), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_minor_units_and_text_are_each_others_inverse(cents: int, currency: str) -> None:
    assert minor(plain(cents, currency), currency, "x") == cents


@pytest.mark.parametrize("text", ["", "eur", "EURO", "E1R", "example string"])
def test_a_currency_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(TranslationError):
        check_currency(text, "currency")


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        pytest.param({}, [], id="good"),
        pytest.param({"country": ""}, ["address.country"], id="no country"),
        pytest.param({"country": "XX"}, ["address.country"], id="no such country"),
        pytest.param({"postcode": "00"}, ["address.postcode"], id="malformed postcode"),
        pytest.param({"postcode": ""}, ["address.postcode"], id="no postcode"),
        pytest.param({"city": ""}, ["address.city"], id="no city"),
        pytest.param({"street1": ""}, ["address.street"], id="no street"),
        pytest.param({"name": ""}, ["address.name"], id="nobody"),
        pytest.param({"name": "", "company": "Example BV"}, [], id="a company"),
        pytest.param({"street1": "Postbus 12"}, ["address.po_box"], id="Postbus"),
        pytest.param({"country": "US", "postcode": "40003", "region": ""}, ["address.region"], id="US without state"),
        pytest.param(
            {"country": "US", "postcode": "40003", "region": "KY", "street1": "PO Box 7"},
            ["address.po_box"],
            id="PO box",
        ),
        pytest.param({"country": "IE", "postcode": ""}, [], id="Ireland needs no postcode"),
        pytest.param({"country": "IT", "postcode": "00100", "city": "Roma"}, [], id="Italy without province"),
        pytest.param(
            {"country": "DE", "postcode": "10115", "street1": "Packstation 5"}, ["address.po_box"], id="Packstation"
        ),
    ],
)
def test_addresses(change: dict[str, str], codes: list[str]) -> None:
    fields = {f: getattr(GOOD, f) for f in GOOD.__struct_fields__} | change
    problems = address_check.check(Address(**fields))
    assert [p.code for p in problems] == codes
    assert all(p.field.startswith("shipping_address.") for p in problems)


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("06 12345678", "NL", "+31612345678"),
        ("+49 30 901820", "NL", "+4930901820"),
        ("", "NL", ""),
    ],
)
def test_phones_become_e164(text: str, country: str, number: str) -> None:
    assert e164(text, country) == (number, None)


@pytest.mark.parametrize("text", ["call me", "12", "06 12345678901234567890", "\x00", "(((("])
def test_a_phone_that_cannot_be_read_is_a_problem_and_no_more(text: str) -> None:
    number, problem = e164(text, "NL")
    assert number == ""
    assert problem is not None
    assert problem.code == "phone.invalid"


def test_a_customer_is_known_by_mail_then_phone_then_name_and_postcode() -> None:
    assert customer_key(" Jan@Example.com ", "", GOOD) == customer_key("jan@example.com", "+316", Address())
    assert customer_key("", "+31612345678", GOOD) != customer_key("", "", GOOD)
    assert customer_key("", "", GOOD) == customer_key("", "", Address(name="JAN ", postcode="1015cn", country="NL"))
    assert customer_key("", "", Address()) == ""
    assert "jan" not in customer_key("jan@example.com", "", GOOD)


def test_an_address_hash_is_of_the_place_alone() -> None:
    there = Address(name="Piet", street1="KEIZERSGRACHT  1", postcode="1015CN", city="amsterdam", country="NL")
    assert address_hash(there) == address_hash(GOOD)
    assert address_hash(GOOD) != address_hash(Address(street1="Keizersgracht 2", country="NL"))


def test_content_decides_the_hash() -> None:
    assert content_hash(1, GOOD) == content_hash(1, GOOD) != content_hash(2, GOOD)
    assert len(content_hash(GOOD)) == 16


def test_signatures() -> None:
    assert sign("key", b"body") == "UVquEztDXUAAlWcx9orlz164XU8NxqVG0r/NNZXsGuE="
    verify(["other", "key"], b"body", sign("key", b"body"))
    for secrets, signature in ((["x"], sign("key", b"body")), ([], sign("key", b"body")), ([""], sign("", b"body"))):
        with pytest.raises(BadSignature):
            verify(secrets, b"body", signature)


def real_depth(value: object) -> int:
    if isinstance(value, dict | list):
        return 1 + max((real_depth(v) for v in (value.values() if isinstance(value, dict) else value)), default=0)
    return 0


texts = st.text(st.sampled_from(list('[]{}"\\,:a é\n')), max_size=6)


@given(st.recursive(st.none() | texts, lambda x: st.lists(x, max_size=4) | st.dictionaries(texts, x, max_size=4)))
def test_the_depth_of_a_json_text_is_that_of_its_value(value: object) -> None:
    for ascii_only in (True, False):
        assert depth(json.dumps(value, ensure_ascii=ascii_only).encode()) == real_depth(value)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[}", b'"', b"[1,]", b"\xff", b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), b"nul", b"{}{}"]
)
def test_what_is_no_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        check(body)


def test_the_deepest_allowed_body_is_read() -> None:
    check(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
