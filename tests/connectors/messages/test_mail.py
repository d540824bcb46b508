"""Mails against a real SMTP server: what arrives, what fails for good, what is tried again, and what can arrive twice."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from connectors.messages.mail import MailSender
from connectors.messages.sample import sample
from domain.records.effects import ChannelCancel

SHIPPED = sample("SHIPPED", language="nl")


@asynccontextmanager
async def sending(messages: Any, renderer: Any) -> AsyncIterator[MailSender]:
    sender = MailSender(messages.mail, messages, renderer)
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture
def plain(smtp: Any, configured: Any) -> Any:
    return configured(mail={"host": "127.0.0.1", "port": smtp.port, "security": "none", "timeout_seconds": 5})


async def test_a_mail_arrives_with_text_and_html_in_the_customers_language(
    plain: Any, renderer: Any, mailbox: Any
) -> None:
    async with sending(plain, renderer) as sender:
        sent = await sender.send(SHIPPED, 0)
    assert (sent.ok, sent.reference) == (True, f"<{SHIPPED.event_id}@acme.example>")
    (mail,) = mailbox.mails
    assert mail["From"] == "Acme Shop <orders@acme.example>"
    assert (mail["To"], mail["Reply-To"]) == ("anna@example.org", "help@acme.example")
    assert mail["Subject"] == "Je bestelling #1001 is onderweg"
    assert (mail["Message-ID"], mail["Auto-Submitted"]) == (sent.reference, "auto-generated")
    text, html = mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()
    assert "We verwachten de bezorging op donderdag 26 november." in text
    assert "https://track.example/3SABCD012345678" in text
    assert "Teapot & lid" in text
    assert "Teapot &amp; lid" in html


async def test_the_same_message_made_again_is_the_same_to_the_byte(plain: Any, renderer: Any, mailbox: Any) -> None:
    async with sending(plain, renderer) as sender:
        await sender.send(SHIPPED, 0)
        await sender.send(SHIPPED, 99)
    first, again = mailbox.raw
    assert first == again


async def test_connections_are_kept_for_the_next_mail_and_replaced_when_the_server_closed_them(
    plain: Any, renderer: Any, mailbox: Any
) -> None:
    async with sending(plain, renderer) as sender:
        for n in range(3):
            assert (await sender.send(msgspec.structs.replace(SHIPPED, event_id=f"m{n}"), 0)).ok
        assert mailbox.connections == 1
        sender._idle[0][0].transport.abort()
        assert (await sender.send(SHIPPED, 0)).ok
    assert mailbox.connections == 2
    assert len(mailbox.mails) == 4


@pytest.mark.parametrize(
    ("at", "answer", "permanent"),
    [
        pytest.param("RCPT", "550 5.1.1 no such user", True, id="no such user"),
        pytest.param("RCPT", "450 4.2.1 mailbox busy", False, id="mailbox busy"),
        pytest.param("RCPT", "452 4.5.3 too many", False, id="greylisted"),
        pytest.param("DATA", "554 5.7.1 looks like spam", True, id="refused as spam"),
        pytest.param("DATA", "451 4.3.0 try again", False, id="try again"),
        pytest.param("DATA", "421 4.3.2 going down", False, id="going down"),
    ],
)
async def test_a_5yz_answer_is_final_and_a_4yz_is_tried_again(
    plain: Any, renderer: Any, mailbox: Any, *, at: str, answer: str, permanent: bool
) -> None:
    mailbox.says[at] = [answer]
    async with sending(plain, renderer) as sender:
        failed = await sender.send(SHIPPED, 0)
        assert (failed.ok, failed.permanent) == (False, permanent)
        assert answer[:3] in failed.error
        assert mailbox.mails == []
        assert (await sender.send(SHIPPED, 0)).ok
    assert len(mailbox.mails) == 1


async def test_a_connection_that_breaks_before_the_mail_was_taken_loses_and_doubles_nothing(
    plain: Any, renderer: Any, mailbox: Any
) -> None:
    mailbox.says["DATA"] = ["drop"]
    async with sending(plain, renderer) as sender:
        failed = await sender.send(SHIPPED, 0)
        assert (failed.ok, failed.permanent) == (False, False)
        assert (await sender.send(SHIPPED, 0)).ok
    assert len(mailbox.mails) == 1


async def test_an_answer_lost_after_the_mail_was_taken_gives_a_second_one_with_the_same_message_id(
    plain: Any, renderer: Any, mailbox: Any
) -> None:
    mailbox.says["DATA"] = ["drop after"]
    async with sending(plain, renderer) as sender:
        assert not (await sender.send(SHIPPED, 0)).ok
        assert (await sender.send(SHIPPED, 0)).ok
    assert len(mailbox.mails) == 2
    assert len({m["Message-ID"] for m in mailbox.mails}) == 1


async def test_a_server_that_says_nothing_is_given_up_in_time_and_tried_again(configured: Any, renderer: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        messages = configured(mail={"host": "127.0.0.1", "port": port, "security": "none", "timeout_seconds": 0.2})
        async with sending(messages, renderer) as sender:
            failed = await sender.send(SHIPPED, 0)
    assert (failed.ok, failed.permanent) == (False, False)


async def test_nobody_there_is_tried_again(configured: Any, renderer: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    messages = configured(mail={"host": "127.0.0.1", "port": port, "security": "none"})
    async with sending(messages, renderer) as sender:
        failed = await sender.send(SHIPPED, 0)
    assert (failed.ok, failed.permanent) == (False, False)


def over_tls(configured: Any, server: Any, **fields: Any) -> Any:
    mail = {"host": "127.0.0.1", "port": server.port, "username": "wharf", "password": "secret", **fields}
    return configured(mail=mail)


async def test_starttls_and_a_log_in(
    secure_smtp: Any, configured: Any, renderer: Any, mailbox: Any, certificate: Any
) -> None:
    async with sending(over_tls(configured, secure_smtp, ca_file=certificate), renderer) as sender:
        sent = await sender.send(SHIPPED, 0)
    assert sent.ok, sent.error
    assert len(mailbox.mails) == 1


async def test_a_server_that_cannot_prove_who_it_is_gets_no_mail_and_no_password(
    secure_smtp: Any, configured: Any, renderer: Any, mailbox: Any
) -> None:
    async with sending(over_tls(configured, secure_smtp), renderer) as sender:
        failed = await sender.send(SHIPPED, 0)
    assert (failed.ok, failed.permanent, mailbox.mails) == (False, False, [])
    assert "certificate" in failed.error.lower()


async def test_a_wrong_password_is_ours_to_mend_so_nothing_is_given_up(
    secure_smtp: Any, configured: Any, renderer: Any, certificate: Any
) -> None:
    messages = over_tls(configured, secure_smtp, ca_file=certificate, password="wrong")
    async with sending(messages, renderer) as sender:
        failed = await sender.send(SHIPPED, 0)
    assert (failed.ok, failed.permanent) == (False, False)
    assert "535" in failed.error
    assert "wrong" not in failed.error


@pytest.mark.parametrize(
    "to",
    ["", "anna", "anna@", "@example.org", "a b@example.org", "anna@example", "anna@example.org\r\nBcc: eve@example.org",
     "anna@exa mple.org", "anna@example.org, eve@example.org", "<anna@example.org>", "a..b@example.org", "ännä@example.org"],
)  # fmt: skip
async def test_an_address_that_is_none_is_refused_before_anything_is_sent(
    plain: Any, renderer: Any, mailbox: Any, to: str
) -> None:
    async with sending(plain, renderer) as sender:
        failed = await sender.send(msgspec.structs.replace(SHIPPED, to=to), 0)
    assert (failed.ok, failed.permanent) == (False, True)
    assert mailbox.connections == 0
    assert "anna@example.org" not in failed.error


async def test_nothing_in_an_order_adds_a_header_or_a_recipient(plain: Any, renderer: Any, mailbox: Any) -> None:
    name = "#1\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>"
    hostile = msgspec.structs.replace(SHIPPED, order_name=name, customer=name)
    async with sending(plain, renderer) as sender:
        assert (await sender.send(hostile, 0)).ok
    (mail,) = mailbox.mails
    assert (mail["Bcc"], mail["To"]) == (None, "anna@example.org")
    assert mail["Subject"].strip().startswith("Je bestelling #1 Bcc: eve@example.org")
    assert "<script>" not in mail.get_body(("html",)).get_content()


async def test_each_shop_writes_in_its_own_name(smtp: Any, configured: Any, renderer: Any, mailbox: Any) -> None:
    messages = configured(
        mail={"host": "127.0.0.1", "port": smtp.port, "security": "none"},
        brands={"shopify:acme": {"name": "Acme Kids", "sender": "Kids <kids@acme.example>"}},
    )
    async with sending(messages, renderer) as sender:
        await sender.send(SHIPPED, 0)
        await sender.send(msgspec.structs.replace(SHIPPED, order_key="shopify:other:1"), 0)
    assert [m["From"] for m in mailbox.mails] == ["Kids <kids@acme.example>", "Acme Shop <orders@acme.example>"]
    assert "Acme Kids" in mailbox.mails[0].get_body(("plain",)).get_content()
    assert mailbox.mails[0]["Reply-To"] == "help@acme.example"


async def test_what_is_no_message_is_refused(plain: Any, renderer: Any) -> None:
    effect = ChannelCancel("e", "ChannelCancel", 0, "orders", "t", "shopify:acme:1", "message:mail", "1", [], "")
    async with sending(plain, renderer) as sender:
        assert (await sender.send(effect, 0)).permanent


def test_unencrypted_mail_goes_to_this_machine_only(configured: Any) -> None:
    with pytest.raises(ValueError, match="starttls or tls"):
        configured(mail={"host": "smtp.example.com", "security": "none"})
