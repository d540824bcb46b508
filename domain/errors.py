"""The one error a decision may raise."""

from __future__ import annotations

__all__ = ["Rejected"]


class Rejected(Exception):
    """A record that can't be applied; the runtime sends it to the DLQ with this cause and goes on.

    ``code`` is stable and counted (``conflict.delivery``, ``order.unknown`` …); ``field`` names what is wrong in the record.
    """

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(f"{code}: {field}: {message}")
        self.code = code
        self.field = field
        self.message = message
