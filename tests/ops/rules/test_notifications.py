"""Rules of messages: what makes no sense is said with its place, texts are looked at, and `wharf notify` shows what is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.rules.ruleset import RuleSet
from ops.rules.load import check
from wharf.cli import app

HEAD = "depots: [{id: A, country: NL}]\nnotifications:\n"


def problems(text: str) -> list[str]:
    found = check(HEAD + text)
    assert not isinstance(found, RuleSet), "nothing is wrong with it"
    return [f"{p.field}: {p.message}" for p in found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  messages: [{events: [SHIPED]}]", 'messages[0].events[0]: "SHIPED" is not known here'),
        ("  messages: [{events: []}]", "messages[0].events: is empty"),
        ("  messages: [{}]", "messages[0].events: is missing"),
        ("  messages: [{events: [PLACED], media: [fax]}]", 'messages[0].media[0]: "fax" is not known here'),
        ("  messages: [{events: [PLACED], media: [sms, sms]}]", "messages[0].media[1]: sms is there twice"),
        ("  messages: [{events: [PLACED]}, {events: [PLACED], countries: [NL]}]", "messages[1]: is never reached: messages[0]"),
        ("  messages: [{events: [PLACED], languages: [es]}]", "messages[0].languages[0]: there are no texts in es"),
        ("  messages: [{events: [PLACED], channels: [bol]}]", "messages[0].channels: is only for channels that are silent"),
        ("  messages: [{events: [PLACED], when: 'totl > 1'}]", "messages[0].when:"),
        ("  messages: [{events: [PLACED], template: Not-a-name}]", "messages[0].template:"),
        ("  messages: [{events: [PLACED], wait_minutes: 2000}]", "messages[0].wait_minutes: 2000 is above 1440"),
        ("  quiet: {start: '25:00'}", 'quiet.start: "25:00" is not a time HH:MM'),
        ("  quiet: {weekdays: [mon, tue, wed, thu, fri, sat, sun]}", "quiet.weekdays: every day is quiet"),
        ("  language: it", "language: there are no texts in it"),
        ("  by_country: {UK: en}", "by_country.UK: UK is no country"),
        ("  timezone: Europe/Amsterdm", "timezone: Europe/Amsterdm is no time zone"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_with_its_place(text: str, said: str) -> None:
    assert any(p.startswith(f"notifications.{said}") for p in problems(text)), problems(text)


def test_a_row_for_the_rest_after_rows_for_some_is_reached() -> None:
    rows = "  messages: [{events: [PLACED], countries: [NL]}, {events: [PLACED, SHIPPED]}, {events: [DELIVERED], media: []}]"
    assert isinstance(check(HEAD + rows), RuleSet)


def test_a_channels_own_group_is_looked_at_too() -> None:
    found = check(HEAD + "  messages: []\nchannels:\n  bol:\n    notifications: {messages: [{events: []}]}\n")
    assert not isinstance(found, RuleSet)
    assert [p.field for p in found] == ["channels.bol.notifications.messages[0].events"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without a wharf.yaml."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wharf(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_rules_check_says_which_text_is_missing_and_where(place: Path) -> None:
    file = place / "rules.yaml"
    file.write_text(HEAD + "  messages:\n    - {events: [PLACED], template: own_words}\n")
    said = json.loads(wharf("rules", "check", str(file), "--json").stdout)
    assert [(p["line"], p["field"]) for p in said["problems"]] == [(4, "notifications.messages[0].template")]
    assert "there is no template own_words" in said["problems"][0]["message"]
    (place / "texts").mkdir()
    body = "own_words: {subject: 'Hi {{ order.name }}', text: 'Hello'}\n"
    for language in ("nl", "de", "en", "fr"):
        (place / "texts" / f"{language}.yaml").write_text(body)
    (place / "wharf.yaml").write_text("messages: {templates: texts, mail: {host: x, password: '${NOT_SET}'}}\n")
    assert wharf("rules", "check", str(file)).exit_code == 0


def test_notify_check_finds_an_undefined_variable_in_a_folder_of_own_texts(place: Path) -> None:
    assert wharf("notify", "check").exit_code == 0
    (place / "texts").mkdir()
    (place / "texts" / "nl.yaml").write_text("order_shipped: {subject: 'Hoi {{ costumer }}'}\n")
    (place / "wharf.yaml").write_text("messages: {templates: texts}\n")
    result = wharf("notify", "check", "--json")
    assert result.exit_code == 2
    assert any("no such variable: costumer" in p for p in json.loads(result.stdout)["problems"])


def test_notify_preview_shows_a_message_without_any_server(place: Path) -> None:
    result = wharf("notify", "preview", "DELAYED", "--language", "nl", "--order", "#77", "--json")
    said = json.loads(result.stdout)
    assert (said["template"], said["subject"]) == ("order_delayed", "Je bestelling #77 komt later")
    assert "donderdag 26 november" in said["text"]
    assert "<html" in wharf("notify", "preview", "DELAYED", "--html").stdout
    assert wharf("notify", "preview", "SHIPPED", "--medium", "sms").stdout.count("\n") == 1


def test_notify_names_what_it_does_not_know(place: Path) -> None:
    assert "did you mean SHIPPED?" in str(wharf("notify", "preview", "SHIPPD").exception)
    assert "no such medium" in str(wharf("notify", "preview", "SHIPPED", "--medium", "fax").exception)
    assert "messages.mail is not in wharf.yaml" in str(wharf("notify", "test", "--to", "a@b.example").exception)


def test_notify_test_sends_only_with_execute(place: Path) -> None:
    (place / "wharf.yaml").write_text(
        "messages:\n  brand: {sender: a@b.example}\n  mail: {host: 127.0.0.1, port: 1, security: none}\n"
    )
    preview = json.loads(wharf("notify", "test", "--to", "a@b.example", "--json").stdout)
    assert (preview["sent"], "error" in preview) == (False, False)
    result = wharf("notify", "test", "--to", "a@b.example", "--json", "--execute")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["sent"], bool(said["error"])) == (2, False, True)
