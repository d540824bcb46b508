"""Is this fact new? Duplicates, conflicting deliveries and late versions stop here, before anything
is changed.

The same idempotency key with the same content is a duplicate. The same delivery with other content
is a conflict: someone tampers, or a channel breaks its word. One delivery may carry several facts,
so a delivery's content is remembered by what it speaks of: the type and the part of the idempotency
key before ``@`` (``order``, ``refund/7``). The same key with other content, from another delivery:
the greater content hash wins, whichever came first.
"""

from __future__ import annotations

import hashlib

from domain.errors import Rejected
from domain.records.commands import ChannelFact

from .session import OrderSession

__all__ = ["KEPT_KEYS", "admit", "once", "same_again", "too_old"]

KEPT_KEYS = 512
"""Keys remembered per order; the oldest go first.

Versions and the channel's own ids still guard what is forgotten.
"""

_PLAIN = 24


def _short(text: str) -> str:
    """A key of at most 24 characters as it is, a longer one as 64 bits of its hash."""
    return text if len(text) <= _PLAIN else hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _delivery_key(fact: ChannelFact) -> str:
    subject = fact.idempotency_key.partition("@")[0]
    return "=" + _short(f"{fact.delivery_id}\x1f{type(fact).__name__}\x1f{subject}")


def admit(session: OrderSession, fact: ChannelFact) -> bool:
    """True where the fact is to be folded; False where it was recorded as DUPLICATE or STALE.

    Raises Rejected (``conflict.delivery``) where this delivery said something else before.
    """
    keys = session.state.keys
    delivery = _delivery_key(fact) if fact.delivery_id else ""
    if delivery and keys.get(delivery, fact.content_hash) != fact.content_hash:
        raise Rejected(
            "conflict.delivery",
            "delivery_id",
            f"delivery {fact.delivery_id!r} of {fact.idempotency_key!r} had the content {keys[delivery]} before, now "
            f"{fact.content_hash}; compare both in wharf.raw, then fetch the order anew",
        )
    key = _short(fact.idempotency_key)
    known = keys.get(key)
    if known == fact.content_hash:
        same_again(session, fact.idempotency_key)
        return False
    new = {delivery: fact.content_hash} if delivery else {}
    # Any rule would do that gives the same winner in either order of arrival.
    if known is None or known < fact.content_hash:
        new[key] = fact.content_hash
    _remember(session, new)
    if known is not None and known > fact.content_hash:
        too_old(session, f"{fact.idempotency_key}: other content of the same key is in force")
        return False
    return True


def once(session: OrderSession, key: str) -> bool:
    """True the first time; a repeat is recorded as DUPLICATE.

    For facts that have no content to compare.
    """
    short = _short(key)
    if short in session.state.keys:
        same_again(session, key)
        return False
    _remember(session, {short: ""})
    return True


def same_again(session: OrderSession, what: str) -> None:
    """Count and record a duplicate."""
    session.state.duplicates += 1
    session.record("DUPLICATE", reason=what)


def too_old(session: OrderSession, what: str) -> None:
    """Count and record a fact that came too late to have an effect."""
    session.state.stale += 1
    session.record("STALE", reason=what)


def _remember(session: OrderSession, new: dict[str, str]) -> None:
    keys = {**session.state.keys, **new}
    # A dict keeps its order: the first key is the oldest.
    while len(keys) > KEPT_KEYS:
        del keys[next(iter(keys))]
    session.state.keys = keys
