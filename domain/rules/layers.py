"""Which rules are for whom: a set has general rules, and others for a pool, a channel or one account of it.

The most special one decides: account (``bol:acme``), then channel (``bol``), then pool, then the general rule, each group whole (of
``returns``, which is a large one, each field whole). The version of what comes out names what was laid over it
(``v12+pool:be+channel:bol``), so every decision says so.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .returns import ReturnsFor
from .ruleset import RuleSet

__all__ = ["of_order", "of_pool", "split_key"]

_KEPT = 256
_known: dict[tuple[int, str, str, str], tuple[RuleSet, RuleSet]] = {}


def of_pool(rules: RuleSet, pool: str) -> RuleSet:
    """The rules for a pool. The same object each time, for what is compiled from it is kept by it."""
    return _layered(rules, "pool", pool, "") if pool in rules.pools else rules


def of_order(rules: RuleSet, channel: str, account: str) -> RuleSet:
    """The rules for the orders of a channel's account, laid over ``rules`` (which may be those of a pool)."""
    if not rules.channels or not (channel in rules.channels or f"{channel}:{account}" in rules.channels):
        return rules
    return _layered(rules, "channel", channel, account)


def split_key(order_key: str) -> tuple[str, str]:
    """Channel and account of an order key."""
    channel, account, _ = order_key.split(":", 2)
    return channel, account


def _layered(rules: RuleSet, kind: str, name: str, account: str) -> RuleSet:
    key = (id(rules), kind, name, account)
    known = _known.get(key)
    if known is not None and known[0] is rules:
        return known[1]
    if kind == "pool":
        result = _over(rules, rules.pools[name], f"pool:{name}")
    else:
        result = rules
        for part in (name, f"{name}:{account}"):
            if part in rules.channels:
                result = _over(result, rules.channels[part], f"channel:{part}")
    if len(_known) >= _KEPT:
        _known.clear()
    _known[key] = rules, result  # holds the set, so that its id stays its own
    return result


def _over(rules: RuleSet, layer: msgspec.Struct, label: str) -> RuleSet:
    changed = _told(layer)
    if isinstance(own := changed.get("returns"), ReturnsFor):
        changed["returns"] = msgspec.structs.replace(rules.returns, **_told(own))
    return msgspec.structs.replace(rules, version=f"{rules.version}+{label}", **changed)


def _told(layer: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name in layer.__struct_fields__ if (value := getattr(layer, name)) is not None}
