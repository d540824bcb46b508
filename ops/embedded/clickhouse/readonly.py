"""What a reader may ask. The engine's ``readonly = 1`` refuses writes, DDL and most table functions; this refuses what it lets through.

Tried on chdb 26.9: with ``readonly = 1`` the scalar ``file()``, ``DESCRIBE file(...)``, ``INTO OUTFILE`` and ``KILL`` still work, and ``sqlite()``
makes its file before it is refused. The query is judged in the engine's own canonical spelling (``formatQuerySingleLine``: no comments,
no heredocs, one way to quote), so that its parser and our reading can't disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from .errors import NOT_IMPLEMENTED, READONLY, ClickHouseError

__all__ = ["FormatClause", "allow", "forbidden_functions", "format_clause"]

FormatClause = str | None

STATEMENTS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN"})
# They read nothing but their arguments and tables of this engine.
TABLE_FUNCTIONS = frozenset(
    {"format", "generateseries", "generate_series", "generaterandom", "merge", "mergetreeindex", "null", "numbers"}
    | {"numbers_mt", "primes", "values", "sqlstandardvalues", "view", "viewifpermitted", "zeros", "zeros_mt"}
)
# Scalar functions that read files or other services.
SCALAR_FUNCTIONS = frozenset(
    {"file", "catboostevaluate", "addresstoline", "addresstosymbol", "addresstolinewithinlines"}
)

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>'(?:[^'\\]|\\.)*')|(?P<quoted>`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*")|(?P<word>[^\W\d]\w*)|(?P<other>.)""",
    re.DOTALL,
)


def forbidden_functions(table_functions: Iterable[str]) -> frozenset[str]:
    """The names a query may not call, in lower case. ``table_functions``: the engine's (``system.table_functions``)."""
    return (frozenset(t.lower() for t in table_functions) - TABLE_FUNCTIONS) | SCALAR_FUNCTIONS


def _tokens(canonical: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each token but spaces; a quoted name without its quotes."""
    for m in _TOKEN.finditer(canonical):
        kind = m.lastgroup or "other"
        if kind != "space":
            yield kind, m[0][1:-1] if kind == "quoted" else m[0]


def allow(canonical: str, forbidden: frozenset[str]) -> None:
    """Return if the query only reads this engine's tables. Raises ClickHouseError (164, or 48 for SET and USE)."""
    tokens = list(_tokens(canonical))
    first = next((text.upper() for _, text in tokens if text != "("), "")
    if first in ("SET", "USE"):
        raise ClickHouseError(
            NOT_IMPLEMENTED, f"{first} would end with this request: pass settings and database as URL parameters"
        )
    if first not in STATEMENTS:
        raise ClickHouseError(READONLY, f"{first}: Cannot execute query in readonly mode: the sink alone writes here")
    for (kind, text), (_, following) in pairwise(tokens):
        if kind in ("word", "quoted") and following == "(" and text.lower() in forbidden:
            raise ClickHouseError(READONLY, f"function {text} reaches outside of ClickHouse: refused in readonly mode")
        if (text.upper(), following.upper()) == ("INTO", "OUTFILE"):
            raise ClickHouseError(READONLY, "INTO OUTFILE writes a file: refused in readonly mode")


def format_clause(canonical: str) -> FormatClause:
    """The name in the query's own ``FORMAT`` clause, which comes last (before ``SETTINGS``)."""
    words = list(_tokens(canonical))
    depth = 0
    for (_, before), (kind, text) in zip(reversed(words[:-1]), reversed(words[1:]), strict=True):
        depth += (text == ")") - (text == "(")
        if depth == 0 and kind == "word" and before.upper() == "FORMAT":
            return text
    return None
