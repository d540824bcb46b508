"""Versions of the rules in one log: which is in force, and which wait for their day.

A version that was published for now is in force from its place in the log. One for later waits; the first command or tick whose
``time`` has reached its ``effective_from`` brings it into force, and it stays so. The machine's clock is never asked.
"""

from __future__ import annotations

import msgspec

from domain.records.commands import RulesPublished

__all__ = ["Edition", "RuleBook"]


class Edition(msgspec.Struct, frozen=True, array_like=True):
    """A published version: ``body`` as in ``RulesPublished``, ``since``: when it comes into force, UTC ms."""

    version: str
    body: str
    since: int


class RuleBook(msgspec.Struct, frozen=True, array_like=True):
    """``current``: in force, None before any; ``ahead``: those that wait, the next one first."""

    current: Edition | None = None
    ahead: list[Edition] = []

    def publish(self, record: RulesPublished) -> RuleBook:
        """With a version published (again: its old date is forgotten), or withdrawn, where the record has no body."""
        ahead = [e for e in self.ahead if e.version != record.version]
        if not record.body:
            return RuleBook(self.current, ahead)
        edition = Edition(record.version, record.body, max(record.effective_from, record.time))
        if edition.since <= record.time:
            return RuleBook(edition, ahead)
        return RuleBook(self.current, sorted([*ahead, edition], key=lambda e: e.since))

    def at(self, time: int) -> RuleBook:
        """As it is at ``time``: this very book, unless a version comes into force."""
        if not self.ahead or self.ahead[0].since > time:
            return self
        due = [edition for edition in self.ahead if edition.since <= time]
        return RuleBook(due[-1], self.ahead[len(due) :])
