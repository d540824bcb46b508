"""What a reader may ask: everything is refused that is not on a list.

The query is judged in the engine's own canonical spelling (``formatQuerySingleLine``: no comments, no heredocs, one way to quote), and that
text is the one that runs, so its parser and our reading can't disagree. Every name in it is judged wherever it stands, for a function may
be named without being called (``APPLY file``, ``arrayMap(file, …)``). The engine's query tree is no judge: to resolve a query it already
runs its constant parts, ``file('…')`` among them, and its syntax tree hides what ``APPLY`` applies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import takewhile

from .errors import NOT_IMPLEMENTED, READONLY, UNKNOWN_FORMAT, ClickHouseError
from .names import AGGREGATES, FORMATS, FUNCTIONS, KEYWORDS, SHOWN, SYSTEM_TABLES, TABLE_FUNCTIONS, Refused

__all__ = ["Token", "allow", "format_clause", "known_format", "tokens"]

Token = tuple[str, str]  # kind (string, quoted, word, other) and text; a quoted name without its quotes
SettingJudge = Callable[[str, str], None]

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>'(?:[^'\\]|\\.|'')*')|(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")|(?P<number>\d[\w.]*)|(?P<word>[^\W\d]\w*)|(?P<other>.)""",
    re.DOTALL,
)
_STATEMENTS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN"})
_EXPLAINED = frozenset({"AST", "SYNTAX", "QUERY", "TREE", "PLAN", "PIPELINE", "ESTIMATE"})
# Their first argument names an aggregate function or a format.
_BY_AGGREGATE = frozenset({"arrayreduce", "arrayreduceinranges"})
_BY_FORMAT = frozenset({"formatrow", "formatrownonewline", "format"})
_COMBINATORS = re.compile(
    r"(simplestate|ordefault|distinct|resample|foreach|argmax|argmin|ornull|tuple|merge|state|array|null|map|if)$"
)
_END: Token = ("end", "")


def tokens(canonical: str) -> list[Token]:
    """The words and signs of a query, without spaces. A name with an escape in it stays as it is, and so is on no list."""
    found = ((match.lastgroup or "other", match[0]) for match in _TOKEN.finditer(canonical))
    return [(kind, text[1:-1] if kind == "quoted" else text) for kind, text in found if kind != "space"]


def allow(
    canonical: str, parameters: Mapping[str, str], database: str, refused: Refused, setting: SettingJudge
) -> None:
    """Return if the query reads this engine's tables only. Raises ClickHouseError (164, 73 for a format, 48 for SET and USE).

    ``setting`` gets name and value of each pair in ``SETTINGS`` clauses, and raises for what a caller may not set.
    """
    words = tokens(canonical)
    _statement(words)
    end = 0
    for index, token in enumerate(words):
        if index >= end and _is_parameter(words, index):
            end = next(k for k in range(index, len(words)) if words[k] == ("other", "}"))
            _parameter(words[index + 1][1], words[index + 3][1], parameters, refused)
        elif index >= end and token[0] in ("word", "quoted"):
            _name(words, index, refused)
            _table(words, index, database, refused)
    _clauses(words, setting)


def _at(words: list[Token], index: int) -> Token:
    return words[index] if 0 <= index < len(words) else _END


def _is_parameter(words: list[Token], index: int) -> bool:
    """``{name:Type}``; a map is ``{'key': …}``."""
    return (
        words[index] == ("other", "{")
        and _at(words, index + 1)[0] in ("word", "quoted")
        and _at(words, index + 2) == ("other", ":")
        and ("other", "}") in words[index:]
    )


def _refused(what: str, why: str) -> ClickHouseError:
    return ClickHouseError(READONLY, f"{what} {why}: refused in readonly mode")


def _statement(words: list[Token]) -> None:
    plain = [text.upper() for _, text in words if text != "("]
    first = plain[0] if plain else ""
    if first in ("SET", "USE"):
        raise ClickHouseError(
            NOT_IMPLEMENTED, f"{first} would end with this request: pass settings and database as URL parameters"
        )
    if first not in _STATEMENTS:
        raise ClickHouseError(READONLY, f"{first}: Cannot execute query in readonly mode: the sink alone writes here")
    if first == "SHOW" and plain[1:2] and not set(plain[1:4]) & SHOWN:
        raise _refused(f"SHOW {plain[1]}", "tells of the server, not of the data")
    if first == "EXPLAIN":
        _explained(words[1:])


def _explained(words: list[Token]) -> None:
    """Between EXPLAIN and the query stand its kind and its own settings (``graph = 1``)."""
    head = list(takewhile(lambda token: token[1].upper() not in ("SELECT", "WITH", "("), words))
    kinds = {
        text.upper()
        for k, (kind, text) in enumerate(head)
        if kind in ("word", "quoted") and _at(words, k + 1)[1] != "="
    }
    if len(head) == len(words) or not kinds <= _EXPLAINED:
        raise _refused("EXPLAIN", "is for SELECT alone here")


def _name(words: list[Token], index: int, refused: Refused) -> None:
    """A name before a bracket must be one that may be called; any other must not be that of a function that may not."""
    (kind, text), before, after = words[index], _at(words, index - 1), _at(words, index + 1)
    name = text.lower()
    if kind == "word" and (text.upper(), after[1].upper()) in (("INTO", "OUTFILE"), ("PARALLEL", "WITH")):
        raise _refused(f"{text} {after[1]}", "writes or runs another statement")
    if after == ("other", "("):
        if not (kind == "word" and text.upper() in KEYWORDS) and not callable_name(name) and not _is_cte(words, index):
            raise _refused(f"function {text}", "is not on the list of functions that only compute")
        _by_name(name, _at(words, index + 2))
    elif before != ("other", ".") and (name in refused.functions or name in _BY_AGGREGATE | _BY_FORMAT - {"format"}):
        raise _refused(f"function {text}", "is not on the list of functions that only compute")


def _is_cte(words: list[Token], index: int) -> bool:
    """``WITH name (a, b) AS (SELECT …)``: the bracket holds names and AS follows it."""
    rest = words[index + 2 :]
    inner = list(takewhile(lambda token: token != ("other", ")"), rest))
    following = rest[len(inner) + 1 : len(inner) + 3]
    before = words[index - 1] if index else _END
    return (
        before[1].upper() in ("WITH", "RECURSIVE", ",")
        and all(kind in ("word", "quoted") or text == "," for kind, text in inner)
        and [token[1].upper() for token in following] == ["AS", "("]
    )


def _by_name(name: str, argument: Token) -> None:
    """A function that is told by a text which function or format to use: by one that stands there and is on the list."""
    if name in _BY_AGGREGATE:
        wanted = argument[1][1:-1].partition("(")[0].lower()
        if argument[0] != "string" or not aggregate(wanted):
            raise _refused(f"{name}({argument[1]})", "does not name an aggregate function of the list")
    elif name in _BY_FORMAT:
        text = argument[1][1:-1] if argument[0] == "string" else argument[1]
        if argument[0] not in ("string", "word", "quoted"):
            raise _refused(f"{name}({argument[1]})", "does not name a format of the list")
        known_format(text)


def callable_name(name: str) -> bool:
    """Whether a function of that name (in lower case) may be called."""
    return name in FUNCTIONS or name in TABLE_FUNCTIONS or aggregate(name)


def aggregate(name: str) -> bool:
    """Whether it is an aggregate function of the list, with any combinators (``sumIfOrNull``)."""
    while name not in AGGREGATES:
        shorter = _COMBINATORS.sub("", name)
        if shorter == name:
            return False
        name = shorter
    return True


def _table(words: list[Token], index: int, database: str, refused: Refused) -> None:
    """Of the engine's own tables a reader sees those on the list."""
    name, before = words[index][1], _at(words, index - 1)
    if before == ("other", "."):
        inside = _at(words, index - 2)[1].lower() == "system"
        hidden = inside and name not in SYSTEM_TABLES
    else:
        hidden = database.lower() == "system" and name in refused.tables
        if (
            name.lower() == "system"
            and _at(words, index + 1) == ("other", ".")
            and _at(words, index + 2) == ("other", "{")
        ):
            hidden = True
    if hidden:
        raise _refused(f"system.{name}", "tells of the server, not of the data")
    if "/" in name and before[1].upper() in ("FROM", "IN", "JOIN", "TABLE", ".", ","):
        raise _refused(name, "is a file")


def _parameter(name: str, kind: str, parameters: Mapping[str, str], refused: Refused) -> None:
    """``{name:Identifier}`` puts a name into the query; as a name it is judged."""
    if kind.lower() != "identifier":
        return
    parts = [part.strip('`" ') for part in parameters.get(name, "").lower().split(".")]
    hidden = refused.functions | refused.tables | _BY_AGGREGATE | {"system", "formatrow", "formatrownonewline"}
    if not all(re.fullmatch(r"[\w -]+", part) and part not in hidden for part in parts):
        raise _refused(f"parameter {name}", "names what a reader may not use")


def _clauses(words: list[Token], setting: SettingJudge) -> None:
    for index, (kind, text) in enumerate(words[:-1]):
        after = words[index + 1]
        if kind == "word" and text.upper() == "FORMAT" and after[0] in ("word", "quoted"):
            known_format(after[1])
        if (
            kind == "word"
            and text.upper() == "SETTINGS"
            and after[0] in ("word", "quoted")
            and _at(words, index + 2)[1] == "="
        ):
            _settings(words[index + 1 :], setting)


def _settings(words: list[Token], setting: SettingJudge) -> None:
    """Judge ``name = value, name = value …`` at the beginning of ``words``. Raises ClickHouseError for any other shape."""
    while len(words) > 2 and words[1] == ("other", "="):
        end = 3 if words[2] != ("other", "-") else 4
        value = "".join(text for _, text in words[2:end])
        setting(words[0][1], value[1:-1] if value.startswith("'") else value)
        if _at(words, end) != ("other", ","):
            return
        words = words[end + 1 :]
    raise _refused("this SETTINGS clause", "is not a list of names and plain values")


def known_format(name: str) -> str:
    """The format as the engine spells it. Raises ClickHouseError (73) for one that is not on the list."""
    if name.lower() not in FORMATS:
        raise ClickHouseError(
            UNKNOWN_FORMAT,
            f"Unknown format {name}: it is not offered here; use TabSeparated, CSV, JSON, Native or Parquet",
        )
    return FORMATS[name.lower()]


def format_clause(canonical: str) -> str | None:
    """The name in the query's own ``FORMAT`` clause, which comes last (before ``SETTINGS``)."""
    words = tokens(canonical)
    depth = 0
    for (_, before), (kind, text) in zip(reversed(words[:-1]), reversed(words[1:]), strict=True):
        depth += (text == ")") - (text == "(")
        if depth == 0 and kind == "word" and before.upper() == "FORMAT":
            return text
    return None
