"""Signatures over the raw bytes of a delivery."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from connectors.protocols import BadSignature

__all__ = ["sign", "verify"]


def sign(secret: str, body: bytes) -> str:
    """base64 of HMAC-SHA256, as Shopify, WooCommerce and our 3PL protocol send it."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def verify(secrets: Iterable[str], body: bytes, signature: str) -> None:
    """Accept ``signature`` if any active secret makes it; every secret is tried, each compared in constant time.

    Raises BadSignature. An empty secret never matches: a forgotten setting must not open the door.
    """
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError) as e:
        raise BadSignature("the signature is not base64") from e
    matched = False
    for secret in secrets:
        made = hmac.digest(secret.encode(), body, hashlib.sha256)
        matched |= bool(secret) and hmac.compare_digest(made, given)
    if not matched:
        raise BadSignature("the signature is missing or wrong")
