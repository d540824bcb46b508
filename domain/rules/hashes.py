"""Hashes by which rules look people up: a list of blocked customers holds none of their data.

The same e-mail address, phone number or domain gives the same hash, however it was typed (case, spaces).
"""

from __future__ import annotations

import hashlib
import unicodedata

from domain.records.values import Address

__all__ = ["HASHED", "address_hash", "hashed", "kind_of"]

HASHED = ("email", "domain", "phone", "address", "customer")
"""What a list can hold. ``address`` is ``order_requests.address_hash``, ``customer`` the order's customer key."""


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold() if not text.isascii() else text.lower()
    return " ".join(folded.split())


def hashed(kind: str, value: str) -> str:
    """``email:6f9a…``: the kind, and SHA-256 over kind and value, 64 hex digits. ``kind``: email, domain or phone."""
    plain = "".join(text for text in value if text.isdigit() or text == "+") if kind == "phone" else _plain(value)
    return f"{kind}:{hashlib.sha256(f'{kind}{chr(31)}{plain}'.encode('utf-8', 'replace')).hexdigest()}"


def kind_of(value: str) -> str:
    """What a person most likely means by a value: email, phone, domain; ``""``: none of them."""
    text = value.strip()
    if "@" in text:
        return "email" if text.partition("@")[0] else "domain"
    if text and all(name.isdigit() or name in "+ -()" for name in text):
        return "phone"
    return "domain" if "." in text and " " not in text else ""


def address_hash(address: Address) -> str:
    """The same for addresses that differ only in case, spaces or commas: parcels to one door can be bundled. 16 hex digits."""
    parts = (address.street1, address.street2, address.postcode, address.city, address.region, address.country)
    plain = "\x1f".join("".join(text for text in part.casefold() if text.isalnum()) for part in parts)
    return hashlib.blake2b(plain.encode(), digest_size=8).hexdigest()
