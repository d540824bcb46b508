"""Labels on disk: ``WHARF_HOME/labels/ID.json`` with everything about one, ``ID.pdf`` and ``ID.zpl`` beside it.

``ID`` is the effect's own id, a UUID, and nothing else ever names a file. A label is there once its JSON is there, which is written last;
the link to one holds a code that only this site can make, for the ids themselves can be worked out by whoever knows the order.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from pathlib import Path

import msgspec

from .base import Label

__all__ = ["KINDS", "LabelStore"]

KINDS = {"pdf": "application/pdf", "zpl": "application/zpl"}
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LINK = re.compile(rf"({_ID.pattern})\.([0-9a-f]{{32}})\.(pdf|zpl)")
_VOIDED = "voided"


class _Card(msgspec.Struct, frozen=True):
    carrier: str
    tracking_number: str
    tracking_url: str
    cost: int
    currency: str
    payer: str


class LabelStore:
    """The folder of one site. Safe to write from several processes: the same id always has the same content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, label: Label) -> None:
        """Write a label; again, it is the same. Raises ValueError where the key is no UUID of ours, OSError."""
        name = self._name(label.key)
        card = _Card(label.carrier, label.tracking_number, label.tracking_url, label.cost, label.currency, label.payer)
        self._write(f"{name}.pdf", label.pdf)
        self._write(f"{name}.zpl", label.zpl.encode())
        self._write(f"{label.tracking_number}.number", name.encode())
        self._write(f"{name}.json", msgspec.json.encode(card))

    def find(self, key: str) -> Label | None:
        """The label that was made under this key, voided or not."""
        path = self.folder / f"{self._name(key)}.json"
        if not path.exists():
            return None
        card = msgspec.json.decode(path.read_bytes(), type=_Card)
        pdf, zpl = path.with_suffix(".pdf").read_bytes(), path.with_suffix(".zpl").read_text()
        return Label(key, **msgspec.structs.asdict(card), pdf=pdf, zpl=zpl)

    def void(self, tracking_number: str) -> bool:
        """Take a label back: its link gives nothing any more. False where there is none with this number."""
        key = self.key_of(tracking_number)
        if key is None:
            return False
        self._write(f"{self._name(key)}.{_VOIDED}", b"")
        return True

    def key_of(self, tracking_number: str) -> str | None:
        """Under which key the label with this number was made."""
        path = self.folder / f"{tracking_number}.number"
        return path.read_text() if tracking_number.isalnum() and path.exists() else None

    def link(self, key: str, kind: str) -> str:
        """The path under which the webhook server gives the file: ``/labels/ID.CODE.pdf``."""
        return f"/labels/{self._name(key)}.{self._code(key)}.{kind}"

    def open(self, name: str) -> tuple[bytes, str] | None:
        """The file of a link's last part and its media type. None for a wrong code, a voided label and for whatever isn't there."""
        match = _LINK.fullmatch(name)
        if match is None or not hmac.compare_digest(match[2], self._code(match[1])):
            return None
        path = self.folder / f"{match[1]}.{match[3]}"
        if not path.exists() or (self.folder / f"{match[1]}.{_VOIDED}").exists():
            return None
        return path.read_bytes(), KINDS[match[3]]

    def _code(self, key: str) -> str:
        return hmac.digest(self._secret(), key.encode(), hashlib.sha256).hex()[:32]

    def _secret(self) -> bytes:
        """Made at the first use; readable by this user only. Without it (or with another) every old link is dead."""
        path = self.folder / "link.key"
        if not path.exists():
            self._write(path.name, secrets.token_bytes(32), once=True)
        return path.read_bytes()

    @staticmethod
    def _name(key: str) -> str:
        if not _ID.fullmatch(key):
            raise ValueError(f"{key!r} is no UUID in small letters: no file is named after it")
        return key

    def _write(self, name: str, data: bytes, *, once: bool = False) -> None:
        """All of it or nothing. ``once``: what another process wrote meanwhile stays."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            path = self.folder / name
            if once and not path.exists():
                path.hardlink_to(temporary)
            elif not once:
                Path(temporary).replace(path)
        except FileExistsError:
            return
        finally:
            Path(temporary).unlink(missing_ok=True)
