"""Stable hashes of who and where: they join a customer's orders and addresses without holding the data itself."""

from __future__ import annotations

import hashlib
import unicodedata

import msgspec

from domain.records.values import Address

__all__ = ["address_hash", "content_hash", "customer_key"]


def _norm(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold() if not text.isascii() else text.lower()
    return " ".join(folded.split())


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()


def customer_key(email: str, phone: str, address: Address) -> str:
    """SHA-256 of the e-mail, else the phone (E.164), else name and postcode, each normalised; ``""`` for nobody at all."""
    if email:
        return _hash("email", _norm(email))
    if phone:
        return _hash("phone", phone)
    if address.name or address.postcode:
        return _hash("name", _norm(address.name), _norm(address.postcode).replace(" ", ""), address.country)
    return ""


def address_hash(address: Address) -> str:
    """SHA-256 of where a parcel goes; name and phone are not part of it."""
    parts = (address.street1, address.street2, address.postcode.replace(" ", ""), address.city, address.country)
    return _hash(*map(_norm, parts))


def content_hash(*content: object) -> str:
    """First 16 hex digits of SHA-256 over the msgpack of canonical content: the same facts give the same hash, whatever the bytes."""
    return hashlib.sha256(msgspec.msgpack.encode(content)).hexdigest()[:16]
