"""Return labels: what is printed can be read again, by people and by scanners."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import msgspec
import pypdfium2
import pytest
import zplkit
import zxingcpp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL.Image import Image

from connectors.carriers.base import CarrierRefused, Label, LabelRequest
from connectors.carriers.config import CarrierAccount
from connectors.carriers.local import LocalCarrier
from connectors.carriers.store import LabelStore
from connectors.carriers.text import BOLD, address_block, fit, shown, width
from connectors.carriers.tracking import check_digit, is_valid, tracking_number
from connectors.carriers.zpl import field, render_zpl
from domain.records.values import Address

KEY = "1f0a9c52-5b7e-5c31-9d10-6a2f4b8c9e01"
DEPOT = Address("Wharf Returns", "Depot A", "Havenkade 12", "", "3011 AA", "Rotterdam", country="NL")
CUSTOMER = Address("Anna de Vries", "", "Dorpsstraat 1", "", "3511 AB", "Utrecht", country="NL")
LONG = Address(
    "Ængelbert van der Straaten-Łukasiewicz von und zu Hohenlohe-Schillingsfürst",
    "Γεώργιος & Söhne, Internationale Handelsgesellschaft mit beschränkter Haftung",
    "Πλατεία Συντάγματος 1 / Дворцовая набережная 38, квартира 14, подъезд 3, код 12К3456",
    "3e verdieping, achterzijde, bel 4 en daarna links de tuin door",
    "1017 AB",
    "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
    "Ynys Môn",
    "GB",
)


def request(**changes: object) -> LabelRequest:
    whole = LabelRequest(KEY, "RMA-7K2M9Q", "#1042", CUSTOMER, DEPOT, "merchant", "Standard")
    return msgspec.structs.replace(whole, **changes)


@pytest.fixture
def carrier(tmp_path: Path) -> LocalCarrier:
    account = CarrierAccount(
        name="Wharf Post", costs={"NL": 495, "*": 1250}, tracking_url="https://track.example/{number}"
    )
    return LocalCarrier(account, LabelStore(tmp_path / "labels"))


def page(pdf: bytes) -> Image:
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    return document[0].render(scale=203 / 72).to_pil()  # as coarse as a label printer


def scanned(image: Image) -> dict[str, str]:
    return {str(x.format).rpartition(".")[2].replace(" ", ""): x.text for x in zxingcpp.read_barcodes(image)}


async def test_the_pdf_is_one_a6_page_whose_barcodes_scan(carrier: LocalCarrier) -> None:
    label = await carrier.make(request())
    size = pypdfium2.PdfDocument(label.pdf)[0].get_size()
    assert [round(x / 72 * 25.4) for x in size] == [105, 148]
    assert scanned(page(label.pdf)) == {"Code128": label.tracking_number, "QRCode": "RMA-7K2M9Q"}
    assert (label.cost, label.currency, label.payer) == (495, "EUR", "merchant")
    assert label.tracking_url == f"https://track.example/{label.tracking_number}"


async def test_a_real_rma_of_a_long_account_scans_as_it_is(carrier: LocalCarrier) -> None:
    rma = "shopify:a-merchant-with-a-long-account-name:5600000000225~x12/r10"
    label = await carrier.make(request(rma_id=rma))
    assert scanned(page(label.pdf))["QRCode"] == rma


async def test_the_zpl_prints_the_same_two_codes(carrier: LocalCarrier) -> None:
    label = await carrier.make(request(sender=Address("Anna Smit", street1="Kade 1", city="Oss", country="NL")))
    printed = zplkit.render(label.zpl)
    (page_,) = printed.labels
    assert (page_.width, page_.height) == (840, 1184)
    assert scanned(page(printed.pdf())) == {"Code128": label.tracking_number, "QRCode": "RMA-7K2M9Q"}
    assert re.findall(r"\^BCN[^^]*\^FD([^^]*)\^FS", label.zpl) == [label.tracking_number]


async def test_what_is_on_the_page_can_be_read_as_text(carrier: LocalCarrier) -> None:
    label = await carrier.make(request(sender=LONG))
    text = pypdfium2.PdfDocument(label.pdf)[0].get_textpage().get_text_bounded()
    for part in ("Łukasiewicz", "Γεώργιος", "Дворцовая", "Ynys Môn", "Havenkade 12", "#1042", "RMA-7K2M9Q"):
        assert part in text
    assert "Postage paid by receiver" in text


async def test_the_longest_address_stays_in_its_box_and_the_codes_still_scan(carrier: LocalCarrier) -> None:
    label = await carrier.make(request(sender=LONG, receiver=LONG, order_name="#" + "9" * 80, rma_id="RMA-" + "X" * 60))
    image = page(label.pdf)
    assert scanned(image) == {"Code128": label.tracking_number, "QRCode": "RMA-" + "X" * 60}
    dark = image.convert("L").point(lambda v: 255 if v < 128 else 0).getbbox()
    assert dark is not None
    margin = round(4.5 / 25.4 * 203)
    assert dark[0] >= margin
    assert dark[2] <= image.width - margin


@given(st.text(max_size=200), st.integers(1, 3), st.floats(40, 400))
@settings(max_examples=60, deadline=None)
def test_fitted_text_is_never_wider_than_its_box(text: str, rows: int, most: float) -> None:
    fitted = fit(shown(text, BOLD), 12, most, BOLD, rows)
    assert len(fitted.lines) <= rows
    assert all(width(x, fitted.size, BOLD) <= most + 0.01 for x in fitted.lines)


@given(st.builds(Address, *[st.text(max_size=120)] * 6), st.floats(40, 120))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_address_of_any_length_is_no_higher_than_its_box(address: Address, height: float) -> None:
    block = address_block(address, 13, 240, height, strong=True, latin_only=False)
    assert sum(x.size * 1.22 for x in block) <= height or min(x.size for x in block) < 13 * 0.4


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        pytest.param("Zażółć gęślą", "Zażółć gęślą", id="polish"),
        pytest.param("Αθήνα, Київ", "Αθήνα, Київ", id="greek-and-cyrillic"),
        pytest.param("أحمد", "'hmd", id="arabic-is-written-in-latin-letters"),
        pytest.param("北京", "BeiJing", id="chinese-is-written-in-latin-letters"),
        pytest.param("a\u202eb\x00c\td\ne", "a b c d e", id="directions-and-controls-become-blanks"),
        pytest.param("cafe\u0301", "café", id="composed"),
    ],
)
def test_text_is_shown_in_characters_that_the_font_has(text: str, printed: str) -> None:
    assert shown(text) == printed


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_text_can_hold_a_printer_command(text: str) -> None:
    escaped = field(text)
    assert not set(escaped) & set("^~\\\n\r\x00")
    assert escaped.isascii()
    back = re.sub(rb"_([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), escaped.encode())
    assert back.decode() == text


def test_a_command_in_a_name_is_printed_not_obeyed() -> None:
    zpl = render_zpl(request(order_name="^XZ^XA~JR_5E"), "Wharf Post", tracking_number(KEY))
    assert zpl.count("^XA") == zpl.count("^XZ") == 1
    assert "~" not in zpl
    assert "_5EXZ_5EXA_7EJR_5F5E" in zpl


async def test_the_same_key_gives_the_same_label_whatever_has_changed(carrier: LocalCarrier) -> None:
    first = await carrier.make(request())
    cheaper = LocalCarrier(CarrierAccount(costs={"*": 1}), carrier.store)
    again = await cheaper.make(request(order_name="another"))
    assert again == first


async def test_a_label_lost_from_disk_is_made_again_byte_for_byte(carrier: LocalCarrier, tmp_path: Path) -> None:
    first = await carrier.make(request())
    other = LocalCarrier(carrier.account, LabelStore(tmp_path / "elsewhere"))
    assert await other.make(request()) == first


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        pytest.param({"receiver": Address("x")}, "receiver: street1, city, country", id="no-depot-address"),
        pytest.param({"payer": "nobody"}, "payer: 'nobody'", id="no-payer"),
        pytest.param({"sender": Address("x", country="BR")}, "sender.country: no return from BR", id="no-price"),
    ],
)
async def test_what_cannot_be_delivered_is_refused_with_the_field(
    tmp_path: Path, changes: dict[str, object], names: str
) -> None:
    carrier = LocalCarrier(CarrierAccount(costs={"NL": 495}), LabelStore(tmp_path))
    with pytest.raises(CarrierRefused, match=re.escape(names)):
        await carrier.make(request(**changes))
    assert carrier.store.find(KEY) is None


@given(st.from_regex(r"[0-9]{17}", fullmatch=True), st.integers(0, 17), st.integers(1, 9))
def test_one_mistyped_digit_is_always_noticed(digits: str, at: int, by: int) -> None:
    number = f"WR{digits}{check_digit(digits)}"
    assert is_valid(number)
    wrong = number[: at + 2] + str((int(number[at + 2]) + by) % 10) + number[at + 3 :]
    assert not is_valid(wrong)


def test_the_check_digit_is_gs1s() -> None:
    assert check_digit("629104150021") == 3  # GS1's own example, GTIN 6291041500213


def made(store: LabelStore) -> Label:
    label = Label(KEY, "Wharf Post", tracking_number(KEY), "", 495, "EUR", "merchant", b"%PDF", "^XA^XZ")
    store.keep(label)
    return label


def test_a_link_opens_its_file_and_no_other_does(tmp_path: Path) -> None:
    store = LabelStore(tmp_path)
    made(store)
    name = store.link(KEY, "pdf").removeprefix("/labels/")
    assert store.open(name) == (b"%PDF", "application/pdf")
    assert store.open(store.link(KEY, "zpl").removeprefix("/labels/")) == (b"^XA^XZ", "application/zpl")
    code = name.split(".")[1]
    guesses = ["link.key", f"{KEY}.pdf", name.replace(code, "0" * 32), f"../{name}", f"{KEY}.{code}.json", name + "\n"]
    assert [store.open(x) for x in guesses] == [None] * len(guesses)


def test_the_key_of_the_links_is_kept_and_is_for_this_user_only(tmp_path: Path) -> None:
    link = LabelStore(tmp_path).link(KEY, "pdf")
    assert LabelStore(tmp_path).link(KEY, "pdf") == link
    assert stat.S_IMODE((tmp_path / "link.key").stat().st_mode) == 0o600


async def test_a_voided_label_opens_no_more(carrier: LocalCarrier) -> None:
    label = await carrier.make(request())
    name = carrier.store.link(KEY, "pdf").removeprefix("/labels/")
    assert carrier.store.open(name) is not None
    assert await carrier.void(label.tracking_number)
    assert await carrier.void(label.tracking_number)
    assert carrier.store.open(name) is None
    assert not await carrier.void(tracking_number("another"))
    assert not await carrier.void("../../etc/passwd")


@pytest.mark.parametrize("key", ["../x", "", "1F0A9C52-5B7E-5C31-9D10-6A2F4B8C9E01", f"{KEY}/..", "a" * 36])
def test_no_file_is_named_after_anything_but_a_uuid(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="no UUID"):
        LabelStore(tmp_path).find(key)


@pytest.mark.parametrize(
    ("field_name", "value"),
    [("costs", {"nl": 1}), ("costs", {"NL": -1}), ("tracking_url", "http://x/{number}"), ("currency", "eur")],
)
def test_a_wrong_carrier_setting_is_refused(field_name: str, value: object) -> None:
    with pytest.raises(ValueError, match=field_name):
        CarrierAccount(**{field_name: value})
