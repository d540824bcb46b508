"""Real servers: an SMTP server that does what a test tells it, an HTTP gateway, and messages to send."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from connectors.messages.catalogue import Catalogue
from connectors.messages.config import Messages
from connectors.messages.render import Renderer
from ops.servers.ports import free_port


class Mailbox:
    """What arrived. ``says``: the answers to come, each once, by the command (``RCPT``, ``DATA``); then all is well."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.says: dict[str, list[str]] = {}
        self.connections = 0

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if answers := self.says.get("RCPT"):
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        answer = answers.pop(0) if (answers := self.says.get("DATA")) else "250 queued"
        if answer.startswith("250") or answer == "drop after":
            self.raw.append(envelope.content)
            self.mails.append(message_from_bytes(envelope.content, policy=default))
        if answer.startswith("drop"):
            server.transport.abort()
        return answer


def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """One account."""
    assert isinstance(data, LoginPassword)
    good = (data.login, data.password) == (b"wharf", b"secret")
    return AuthResult(success=good, handled=False)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def smtp(mailbox: Mailbox) -> Iterator[Controller]:
    """A plain server on this machine."""
    yield from _running(Controller(mailbox, hostname="127.0.0.1", port=free_port()))


def _running(server: Controller) -> Iterator[Controller]:
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine and its key, in one file, trusted by nobody but the tests."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def secure_smtp(mailbox: Mailbox, certificate: Path) -> Iterator[Controller]:
    """A server that takes mail only after STARTTLS and a log-in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=login,
    )
    yield from _running(server)


@pytest.fixture
def renderer() -> Renderer:
    return Renderer(Catalogue())


@pytest.fixture
def configured() -> Any:
    """``configured(mail={…})``: the ``messages`` of a wharf.yaml."""

    def make(**fields: Any) -> Messages:
        brand = {
            "name": "Acme",
            "sender": "Acme Shop <orders@acme.example>",
            "reply_to": "help@acme.example",
            "contact": "help@acme.example",
        }
        return Messages.model_validate({"brand": brand, **fields})

    return make
