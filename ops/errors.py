"""Errors that the person at the keyboard can mend."""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(Exception):
    """Shown as one line: what is wrong, in which field or file, and the way out."""
