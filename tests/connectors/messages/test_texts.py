"""The texts: every one can be sent in every language; what is undefined is found by the check; nothing in them runs or breaks out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.messages.addresses import web_address
from connectors.messages.catalogue import Catalogue, TemplatesError
from connectors.messages.check import check, check_texts
from connectors.messages.config import Brand
from connectors.messages.render import Renderer, RenderError
from connectors.messages.sample import sample, samples
from domain.rules.notifications import MEDIA, NOTICES, TEMPLATES

ACME = Brand.model_validate({"name": "Acme"})
LANGUAGES = ["nl", "de", "en", "fr"]


def texts(folder: Path, **files: str) -> Catalogue:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return Catalogue(folder)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", NOTICES)
def test_every_kind_of_message_can_be_sent_in_every_language(renderer: Renderer, kind: str, language: str) -> None:
    for medium in MEDIA:
        for message in samples(kind, medium, language):
            made = renderer.render(message, ACME)
            assert "#1001" in made.subject + made.text
            assert "{" not in made.text
            assert "None" not in made.text
            assert bool(made.html) == bool(made.subject) == (medium == "mail")


def test_the_shipped_texts_have_nothing_wrong_with_them() -> None:
    uses = [(name, kind, medium) for kind, name in TEMPLATES.items() for medium in MEDIA]
    assert check_texts(Catalogue()) == []
    assert check(Catalogue(), uses, LANGUAGES, ACME) == []


@pytest.mark.parametrize(
    ("language", "country", "money", "day"),
    [
        ("nl", "NL", "€ 26,66", "donderdag 26 november"),
        ("de", "DE", "26,66 €", "Donnerstag, 26. November"),
        ("de", "AT", "€ 26,66", "Donnerstag, 26. November"),
        ("en", "GB", "€26.66", "Thursday 26 November"),
        ("en", "US", "€26.66", "Thursday, November 26"),
        ("fr", "FR", "26,66 €", "jeudi 26 novembre"),
    ],
)
def test_money_and_days_are_written_as_the_customer_does(
    renderer: Renderer, language: str, country: str, money: str, day: str
) -> None:
    credit = msgspec.structs.replace(sample("CREDITED", "sms", language), country=country)
    assert money in renderer.render(credit, ACME).text.replace("\xa0", " ")
    delay = msgspec.structs.replace(sample("DELAYED", "sms", language), country=country)
    assert day in renderer.render(delay, ACME).text


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "2,666"), ("KWD", "2.666"), ("EUR", "26.66")])
def test_money_has_its_currencys_own_digits(renderer: Renderer, currency: str, shown: str) -> None:
    text = renderer.render(msgspec.structs.replace(sample("CREDITED", "sms"), currency=currency), ACME).text
    assert shown in text


def test_times_are_the_customers_own(renderer: Renderer) -> None:
    message = sample("UNFILLABLE", "sms", "en")
    there = msgspec.structs.replace(message, timezone="America/New_York")
    assert "11:00" in renderer.render(message, ACME).text
    assert "05:00" in renderer.render(there, ACME).text


def test_own_texts_are_laid_over_the_shipped_ones_part_by_part(tmp_path: Path) -> None:
    own = texts(
        tmp_path, nl='order_shipped: {subject: "Hoera, {{ order.name }}!"}\n', it='order_shipped: {sms: "ciao"}\n'
    )
    made = Renderer(own).render(sample("SHIPPED", language="nl"), ACME)
    assert made.subject == "Hoera, #1001!"
    assert "is onderweg" in made.text
    assert Renderer(own).render(sample("SHIPPED", "sms", "it"), ACME).text == "ciao"


def test_a_language_without_a_text_falls_back_to_english(renderer: Renderer) -> None:
    assert "on its way" in renderer.render(sample("SHIPPED", language="pl"), ACME).subject


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("Hi {{ custmer }}", "nl.yaml: mine.subject: no such variable: custmer", id="no such variable"),
        pytest.param("Hi {{ order.nme }}", "has no attribute 'nme'", id="no such field"),
        pytest.param("Hi {{ order.name", "mine.subject: unexpected end of template", id="syntax"),
        pytest.param("Hi {% if complete %}{{ parcels[0].foo }}{% endif %}", "has no attribute 'foo'", id="in a branch"),
        pytest.param("{{ eta | day }}", "ask first", id="a day that may be missing"),
        pytest.param("Hi {{ order.name | upcase }}", "upcase", id="no such filter"),
    ],
)
def test_the_check_finds_what_would_fail_at_sending(tmp_path: Path, text: str, said: str) -> None:
    own = texts(tmp_path, nl=f'mine:\n  subject: "{text}"\n  text: "x"\n')
    found = check_texts(own) + [p for _, p in check(own, [("mine", "SHIPPED", "mail")], ["nl"], ACME)]
    assert any(said in p for p in found), found


def test_the_check_finds_a_template_or_language_that_is_missing() -> None:
    missing = check(
        Catalogue(), [("nothing", "PLACED", "mail"), ("order_shipped", "SHIPPED", "sms")], ["nl", "it"], ACME
    )
    assert [p.split(";")[0].split(":")[0] for _, p in missing] == ["there is no template nothing", "order_shipped"]
    assert "no sms in it" in missing[1][1]


@pytest.mark.parametrize(
    "text",
    [
        "{{ order.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ lines.append(1) }}",
        "{{ order.update({'name': 'x'}) }}",
        "{% include 'layout.txt.j2' %}",
        "{{ self.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
    ],
)
def test_a_template_gets_at_nothing_but_its_message(tmp_path: Path, text: str) -> None:
    own = texts(tmp_path, en=f'mine:\n  sms: "{text}"\n')
    with pytest.raises(RenderError):
        Renderer(own).render(msgspec.structs.replace(sample("SHIPPED", "sms"), template="mine"), ACME)


def test_html_is_escaped_and_links_are_web_addresses_or_left_out(renderer: Renderer) -> None:
    message = sample("SHIPPED")
    evil = msgspec.structs.replace(message.parcels[0], tracking_url="javascript:alert(1)", carrier="<img src=x>")
    line = msgspec.structs.replace(message.lines[0], title='"><script>x</script>')
    made = renderer.render(msgspec.structs.replace(message, parcels=[evil], lines=[line], customer="<b>A</b>"), ACME)
    assert "javascript:" not in made.html + made.text
    assert not any(tag in made.html for tag in ("<script", "<img", "<b>"))


@pytest.mark.parametrize("text", ["https://a.example/x?y=1&z=2", "http://a.example"])
def test_web_addresses_may_be_linked(text: str) -> None:
    assert web_address(text) == text


@pytest.mark.parametrize(
    "text", ["javascript:x", "data:text/html,x", "//a.example", "https://a b", 'https://a"b', "ftp://a", ""]
)
def test_anything_else_is_no_link(text: str) -> None:
    assert web_address(text) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("order_shipped: text", "order_shipped: parts are needed", id="no parts"),
        pytest.param("order_shipped: {titel: x}", "order_shipped.titel: no such part", id="no such part"),
        pytest.param("order_shipped: {subject: 5}", "order_shipped.subject: text is needed", id="no text"),
        pytest.param("- a", "templates by name are needed", id="a list"),
        pytest.param("a: {", "nl.yaml", id="no yaml"),
    ],
)
def test_a_file_that_is_no_list_of_texts_is_refused_with_its_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TemplatesError, match=said):
        texts(tmp_path, nl=text)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplatesError, match="no folder"):
        Catalogue(tmp_path / "nothing")


def test_samples_differ_in_what_may_be_missing() -> None:
    full, bare, *_ = samples("SHIPPED", "mail", "en")
    fields: dict[str, Any] = msgspec.structs.asdict(full)
    assert {k for k in fields if fields[k] != getattr(bare, k)} >= {"eta", "parcels", "lines", "customer", "complete"}
