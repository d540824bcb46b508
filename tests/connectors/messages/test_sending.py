"""A message through the desk that works all effects: tried again, given up for good, and named where nothing is configured."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from connectors.messages.sample import sample
from connectors.messages.senders import message_senders
from domain.records.effects import CustomerMessage
from ops.errors import UserError
from ops.processes.connections import build_senders
from ops.settings import Connections, load_connections
from schemas.codec import decode, encode
from streams.effects import Desk, Done, Failed, Job, Later, Policy

MAIL = sample("SHIPPED", language="nl")


def wall() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
async def desk(smtp: Any, configured: Any) -> Any:
    senders = message_senders(configured(mail={"host": "127.0.0.1", "port": smtp.port, "security": "none"}))
    yield Desk(senders, Policy(base_ms=10, patience_ms=2_000), wall, wall)
    for sender in senders.values():
        await sender.close()


def test_a_message_is_on_the_wire_what_it_was() -> None:
    read = decode(encode(MAIL))
    assert isinstance(read, CustomerMessage)
    assert read == MAIL


async def test_a_server_that_is_busy_gets_it_later_and_only_once(desk: Any, mailbox: Any) -> None:
    mailbox.says["DATA"] = ["451 busy", "451 busy"]
    result = await desk.work(Job(MAIL))
    assert isinstance(result, Done)
    assert (result.job.attempts, result.sent.reference) == (3, f"<{MAIL.event_id}@acme.example>")
    assert len(mailbox.mails) == 1


async def test_nobody_of_that_name_is_given_up_at_once(desk: Any, mailbox: Any) -> None:
    mailbox.says["RCPT"] = ["550 no such user"]
    result = await desk.work(Job(MAIL))
    assert isinstance(result, Failed)
    assert (result.job.attempts, str(result.error)) == (1, "550 no such user")


async def test_a_text_that_is_missing_is_given_up_at_once_and_named(desk: Any, mailbox: Any) -> None:
    result = await desk.work(Job(msgspec.structs.replace(MAIL, template="nothing")))
    assert isinstance(result, Failed)
    assert "nothing: there is no such template" in str(result.error)
    assert mailbox.mails == []


async def test_a_medium_without_a_connection_says_what_to_add(desk: Any) -> None:
    result = await desk.work(Job(msgspec.structs.replace(MAIL, target="message:whatsapp")))
    assert isinstance(result, Failed)
    assert "add messages.whatsapp to wharf.yaml" in str(result.error)


async def test_one_that_answers_slowly_holds_up_nobody(smtp: Any, configured: Any, mailbox: Any) -> None:
    import asyncio

    async def slow(server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(0.5)
        mailbox.raw.append(envelope.content)
        return "250 OK"

    mailbox.handle_DATA = slow
    senders = message_senders(configured(mail={"host": "127.0.0.1", "port": smtp.port, "security": "none"}))
    desk = Desk(senders, Policy(patience_ms=50, wake_ms=20), wall, wall)
    result = await desk.work(Job(MAIL))
    assert isinstance(result, Later)
    for _ in range(2000):
        if isinstance(result, Done):
            break
        await asyncio.sleep(0.05)
        result = await desk.work(result.job)
    assert isinstance(result, Done)
    assert len(mailbox.raw) == 1
    await senders["message:mail"].close()


def test_wharf_yaml_names_the_senders(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "secret")
    (tmp_path / "texts").mkdir()
    (tmp_path / "wharf.yaml").write_text(
        """\
messages:
  templates: texts
  brand: {name: Acme, sender: "Acme <orders@acme.example>"}
  mail: {host: smtp.acme.example, username: wharf, password: "${SMTP_PASSWORD}"}
  sms: {kind: http, url: "https://sms.example/v1", headers: {Authorization: "Bearer ${SMTP_PASSWORD}"}}
"""
    )
    found = load_connections(tmp_path / "wharf.yaml")
    assert found.messages is not None
    assert found.messages.mail is not None
    assert (found.messages.mail.port, found.messages.templates) == (587, tmp_path / "texts")
    assert set(build_senders(found, tmp_path)) == {"message:mail", "message:sms"}
    assert "secret" not in repr(found)


def test_a_folder_of_texts_that_is_not_there_is_an_error_of_the_configuration(tmp_path: Any) -> None:
    found = Connections.model_validate({"messages": {"templates": str(tmp_path / "nothing")}})
    with pytest.raises(UserError, match="no folder"):
        build_senders(found, tmp_path)


def test_mail_without_a_sender_is_refused() -> None:
    with pytest.raises(ValueError, match="sender is missing"):
        Connections.model_validate({"messages": {"mail": {"host": "smtp.example.com"}}})
