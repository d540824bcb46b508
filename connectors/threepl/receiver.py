"""A 3PL's webhooks: signature, topic, event id."""

from __future__ import annotations

from collections.abc import Mapping

from connectors import json_check as json
from connectors import signatures as hmac
from connectors.protocols import Received, Translation, Unreadable

from .config import ThreePl
from .translate import translate

__all__ = ["ThreePlReceiver"]

_MAX_HEADER = 200
_KEPT = ("x-wms-event-id", "x-wms-topic", "content-type", "user-agent")


class ThreePlReceiver:
    """The webhooks of one 3PL connection; ``account`` is its name in ``wharf.yaml`` (the ``wms`` of a depot)."""

    channel = "threepl"
    signature_header = "x-wms-signature"
    named_by: tuple[str, ...] = ("x-wms-topic", "x-wms-event-id")

    def __init__(self, account: str, config: ThreePl) -> None:
        self.account = account
        self._secrets = tuple(config.secrets)

    def verify(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Signature first, over the raw bytes. Raises BadSignature or Unreadable."""
        hmac.verify(self._secrets, body, headers.get("x-wms-signature", ""))
        for name in ("x-wms-topic", "x-wms-event-id"):
            if not headers.get(name):
                raise Unreadable(f"the header {name} is missing")
            if len(headers[name]) > _MAX_HEADER:
                raise Unreadable(f"the header {name} has more than {_MAX_HEADER} characters")
        json.check(body)
        kept = {k: headers[k] for k in _KEPT if k in headers}
        return Received(topic=headers["x-wms-topic"], delivery_id=headers["x-wms-event-id"], headers=kept)

    def translate(self, received: Received, body: bytes, now: int, trace: str) -> Translation:
        """Translate a delivery. Raises TranslationError where it can't be read."""
        return translate(received.topic, body, self.account, now, trace)
