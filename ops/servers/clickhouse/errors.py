"""ClickHouse's errors: its codes, names and the HTTP status that goes with each."""

from __future__ import annotations

import re

__all__ = ["ClickHouseError", "from_text"]

BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_FORMAT = 73
READONLY = 164
TOO_MANY_QUERIES = 202
QUERY_TOO_LARGE = 223
MEMORY_LIMIT_EXCEEDED = 241
QUERY_WAS_CANCELLED = 394
AUTHENTICATION_FAILED = 516

_NAMES = {
    36: "BAD_ARGUMENTS",
    48: "NOT_IMPLEMENTED",
    62: "SYNTAX_ERROR",
    73: "UNKNOWN_FORMAT",
    164: "READONLY",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    223: "QUERY_IS_TOO_LARGE",
    516: "AUTHENTICATION_FAILED",
}
# As in ClickHouse's HTTPHandler (exceptionCodeToHTTPStatus): what is not named is 500.
_STATUS = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 42, 43, 44, 53, 62, 69, 70, 72, 73, 119, 130, 344, 386, 456, 457), 400),
    **dict.fromkeys((16, 46, 47, 50, 60, 63, 80, 81, 115, 372), 404),
    **dict.fromkeys((164, 497, 291, 452), 403),
    48: 501,
    159: 408,
    202: 503,
    223: 413,
    516: 401,
}
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")


class ClickHouseError(Exception):
    """An error as ClickHouse would answer it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """HTTP status that ClickHouse gives for this error."""
        return _STATUS.get(self.code, 500)

    def body(self, version: str) -> str:
        """The text ClickHouse puts into the answer."""
        name = (
            f" ({_NAMES[self.code]})"
            if self.code in _NAMES and "(" + _NAMES[self.code] + ")" not in self.message
            else ""
        )
        return f"Code: {self.code}. DB::Exception: {self.message}{name} (version {version})\n"


def from_text(text: str) -> ClickHouseError:
    """The error in chdb's text ``Code: N. DB::Exception: …``; 1002 (unknown exception) where it has none."""
    match = _CODE.search(text)
    if not match:
        return ClickHouseError(1002, text.strip())
    message = _CODE.sub("", text[match.end() :]).strip()
    return ClickHouseError(int(match[1]), re.sub(r" \(version [\d.]+\)\.?(?: \(\w+\))?$", "", message).rstrip("."))
