"""What rules say of articles: their tags, which depots may send them, and how much of each is kept back. Pure.

A rule names a SKU, or the beginning of several with ``*`` at the end (``FRAGILE-*``); ``*`` alone is every SKU. Of two names that match, the
longer one decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.rules.ruleset import Depot, RuleSet

__all__ = ["SkuRules", "best_match", "matches"]

_MEMO = 10_000


def matches(name: str, sku: str) -> bool:
    """Does the rule's name mean this SKU?"""
    return sku.startswith(name[:-1]) if name.endswith("*") else sku == name


def best_match(names: Iterable[str], sku: str) -> str:
    """The longest of the names that means this SKU, an exact one before all; ``""``: none does."""
    fit = [n for n in names if matches(n, sku)]
    return max(fit, key=lambda n: (not n.endswith("*"), len(n)), default="")


class SkuRules:
    """The rules of all depots for SKUs, looked up once a SKU. ``plain``: they say nothing of any SKU."""

    def __init__(self, rules: RuleSet) -> None:
        self._depots = rules.depots
        self._tags = rules.sku_tags
        self.plain = not rules.sku_tags and not any(depot.safety_stock_by_sku for depot in rules.depots)
        self._same = {depot.id: depot.safety_stock for depot in rules.depots}
        self._kept: dict[str, Mapping[str, int]] = {}

    def safety(self, sku: str) -> Mapping[str, int]:
        """Units never promised, by depot; a depot that may not send this SKU at all is not there."""
        if self.plain:
            return self._same
        if sku not in self._kept:
            if len(self._kept) >= _MEMO:
                self._kept.clear()
            tags = self.tags(sku)
            self._kept[sku] = {depot.id: _safety(depot, sku) for depot in self._depots if _may_send(depot, tags)}
        return self._kept[sku]

    def tags(self, sku: str) -> set[str]:
        """The tags of a SKU, as the rules give them."""
        return {tag for tag, names in self._tags.items() if any(matches(n, sku) for n in names)}

    def barred(self, depot: str, skus: Iterable[str]) -> list[str]:
        """Those of the SKUs that the depot may not send."""
        return [] if self.plain else sorted(text for text in skus if depot not in self.safety(text))


def _safety(depot: Depot, sku: str) -> int:
    name = best_match(depot.safety_stock_by_sku, sku)
    return depot.safety_stock_by_sku[name] if name else depot.safety_stock


def _may_send(depot: Depot, tags: set[str]) -> bool:
    return not tags & set(depot.refuses_tags) and (not depot.only_tags or bool(tags & set(depot.only_tags)))
