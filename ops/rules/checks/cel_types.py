"""Is an expression a condition over what there is? Every unknown name, field or function, and every comparison that can't be."""

from __future__ import annotations

from collections.abc import Mapping

import cel

from domain.rules.conditions import CUSTOMER, LINE, VARIABLES
from ops.yaml.formats import closest
from streams.cel import CelConditions

from .cel_parse import CelError, Node, parse

__all__ = ["check_condition"]

_DYN = "dyn"
_NUMBERS = ("int", "double")
_ORDERED = ("int", "double", "string", "timestamp", "duration")
_FIELDS: dict[str, Mapping[str, object]] = {"line": LINE, "customer": CUSTOMER}
_FIELD_TYPES = {"line": LINE, "customer": dict.fromkeys(CUSTOMER, "int")}
_CALLS = {
    "size": "int",
    "int": "int",
    "double": "double",
    "string": "string",
    "timestamp": "timestamp",
    "duration": "duration",
    "lowerAscii": "string",
    "has": "bool",
}
_TEXT = {"contains": "bool", "startsWith": "bool", "endsWith": "bool", "matches": "bool"}
_TIME = dict.fromkeys(
    ("getHours", "getMinutes", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getMonth"),
    "int",
)
_MACROS = {"exists": "bool", "all": "bool", "exists_one": "bool", "filter": "", "map": ""}
_DAYS = {
    "string": "text",
    "int": "a whole number",
    "double": "a number",
    "bool": "true or false",
    "timestamp": "a time",
}


def check_condition(text: str, place: str) -> CelError | None:
    """What is wrong with a condition; None: nothing. ``place``: order, pool or customer (``conditions.Variable``)."""
    try:
        _check(text, place)
    except CelError as e:
        return e
    except ValueError as e:
        return CelError(0, f"this is no CEL: {str(e).splitlines()[0][:200]}")
    return None


def _check(text: str, place: str) -> None:
    node = parse(text)
    kind = _Types(place).of(node, {})
    if kind not in ("bool", _DYN):
        raise CelError(node.at, f"this is {_said(kind)}, not true or false", "compare it, as in total > 5000")
    cel.compile(text)
    _regexes(node)


def _regexes(node: Node) -> None:
    if node.kind == "method" and node.text == "matches" and len(node.of) == 2 and node.of[1].kind == "string":
        try:
            CelConditions().holds(f"''.matches({node.of[1].text})", lambda _: None)
        except Exception as e:
            raise CelError(node.of[1].at, f"no regular expression: {e}", "see https://docs.rs/regex/#syntax") from e
    for part in node.of:
        _regexes(part)


def _said(kind: str) -> str:
    return f"a list ({kind[5:-1]})" if kind.startswith("list(") else _DAYS.get(kind, f"a {kind}")


def _same(a: str, b: str) -> bool:
    return (
        _DYN in (a, b)
        or a == b
        or (a in _NUMBERS and b in _NUMBERS)
        or {a, b} == {"list(dyn)", b or a}
        or (a.startswith("list(") and b.startswith("list(") and "list(dyn)" in (a, b))
    )


class _Types:
    def __init__(self, place: str) -> None:
        self.place = place
        self.macros = 0

    def of(self, n: Node, bound: dict[str, str]) -> str:
        """The type of a part. Raises CelError."""
        return str(getattr(self, f"_{n.kind}", self._literal)(n, bound))

    def _literal(self, n: Node, _bound: dict[str, str]) -> str:
        return n.kind

    def _name(self, n: Node, bound: dict[str, str]) -> str:
        if n.text in bound:
            return bound[n.text]
        v = VARIABLES.get(n.text)
        if v is not None and self.place in v.places:
            return v.type
        known = [name for name, x in VARIABLES.items() if self.place in x.places]
        if v is not None:
            where = {
                "order": "checks and fraud rules",
                "customer": "fraud rules",
                "pool": "routing, depots and priorities",
            }
            only = " and ".join(where[p] for p in v.places)
            with_ = "" if self.place != "customer" else ": not beside `customer` or `velocity`"
            raise CelError(n.at, f"{n.text} is only known in {only}{with_}", f"known here: {', '.join(known)}")
        quoted = f"a text stands in quotes: '{n.text}'" if n.text.isupper() else ""
        hint = closest(n.text, known) or quoted or f"known here: {', '.join(known)}"
        raise CelError(n.at, f"no such variable: {n.text}", hint)

    def _field(self, n: Node, bound: dict[str, str]) -> str:
        kind = self.of(n.of[0], bound)
        if kind in _FIELDS:
            if n.text in _FIELDS[kind]:
                return _FIELD_TYPES[kind][n.text]
            names = list(_FIELDS[kind])
            raise CelError(
                n.at, f"{kind} has no field {n.text}", closest(n.text, names) or f"it has {', '.join(names)}"
            )
        if kind in (_DYN, "map"):
            return _DYN
        hint = f"as in {n.of[0].text}.exists(x, x.{n.text} …)" if kind == "list(line)" else ""
        raise CelError(n.at, f"{_said(kind)} has no field {n.text}", hint)

    def _index(self, n: Node, bound: dict[str, str]) -> str:
        kind, by = self.of(n.of[0], bound), self.of(n.of[1], bound)
        if kind.startswith("list(") and not _same(by, "int"):
            raise CelError(n.of[1].at, "an index is a whole number")
        return kind[5:-1] if kind.startswith("list(") else _DYN

    def _list(self, n: Node, bound: dict[str, str]) -> str:
        kinds = {self.of(x, bound) for x in n.of}
        return f"list({kinds.pop() if len(kinds) == 1 else _DYN})"

    def _map(self, n: Node, bound: dict[str, str]) -> str:
        for x in n.of:
            self.of(x, bound)
        return "map"

    def _cond(self, n: Node, bound: dict[str, str]) -> str:
        self._need(n.of[0], "bool", bound)
        a, b = self.of(n.of[1], bound), self.of(n.of[2], bound)
        return a if a == b else _DYN

    def _unary(self, n: Node, bound: dict[str, str]) -> str:
        if n.text == "!":
            return self._need(n.of[0], "bool", bound)
        kind = self.of(n.of[0], bound)
        if kind not in (*_NUMBERS, _DYN):
            raise CelError(n.at, f"- before {_said(kind)}")
        return kind

    def _need(self, n: Node, want: str, bound: dict[str, str]) -> str:
        kind = self.of(n, bound)
        if kind not in (want, _DYN):
            hint = "compare it: total > 5000, 'VIP' in tags" if want == "bool" else ""
            raise CelError(n.at, f"this is {_said(kind)}, not {_said(want)}", hint)
        return want

    def _binary(self, n: Node, bound: dict[str, str]) -> str:
        if n.text in ("&&", "||"):
            return self._need(n.of[0], "bool", bound) and self._need(n.of[1], "bool", bound)
        a, b = (self.of(x, bound) for x in n.of)
        if n.text == "in":
            if not (b.startswith("list(") or b in ("map", _DYN)):
                raise CelError(n.of[1].at, f"in asks for a list, this is {_said(b)}", "as in country in ['NL', 'BE']")
            if b.startswith("list(") and not _same(a, b[5:-1]):
                raise CelError(n.at, f"{_said(a)} is never in {_said(b)}", _quote(n.of[0], b[5:-1]))
            return "bool"
        if n.text in ("==", "!=", "<", "<=", ">", ">="):
            if not _same(a, b) or (n.text not in ("==", "!=") and not {a, b} <= {*_ORDERED, _DYN}):
                raise CelError(n.at, f"{_said(a)} {n.text} {_said(b)} can't be compared", _quote(n.of[1], a))
            return "bool"
        return self._sum(n, a, b)

    def _sum(self, n: Node, a: str, b: str) -> str:
        if _DYN in (a, b):
            return _DYN
        times = {("timestamp", "-", "timestamp"): "duration", ("timestamp", "-", "duration"): "timestamp"}
        times |= {("timestamp", "+", "duration"): "timestamp", ("duration", "+", "duration"): "duration"}
        if (a, n.text, b) in times:
            return times[a, n.text, b]
        if a == b and (a in _NUMBERS or (n.text == "+" and (a == "string" or a.startswith("list(")))):
            return a
        hint = "write double(…) around the whole number" if {a, b} == set(_NUMBERS) else ""
        raise CelError(n.at, f"{_said(a)} {n.text} {_said(b)} is nothing", hint)

    def _call(self, n: Node, bound: dict[str, str]) -> str:
        if n.text not in _CALLS:
            hint = closest(n.text, [*_CALLS, *_TEXT, *_MACROS]) or f"there are {', '.join([*_CALLS, *_TEXT, *_MACROS])}"
            raise CelError(n.at, f"no such function: {n.text}", hint)
        if len(n.of) != 1:
            raise CelError(n.at, f"{n.text} takes one value, not {len(n.of)}")
        kind = self.of(n.of[0], bound)
        if n.text == "size" and not (kind in ("string", "map", _DYN) or kind.startswith("list(")):
            raise CelError(n.of[0].at, f"size of {_said(kind)}", "of a text or a list")
        if n.text == "lowerAscii":
            self._need(n.of[0], "string", bound)
        return _CALLS[n.text]

    def _method(self, n: Node, bound: dict[str, str]) -> str:
        if n.text in _MACROS:
            return self._macro(n, bound)
        kind = self.of(n.of[0], bound)
        if n.text in _TEXT and kind.startswith("list("):
            hint = "as in tags.exists(t, t.startsWith('V'))" if n.text != "contains" else "as in 'VIP' in tags"
            raise CelError(n.at, f"{n.text} is for a text, this is {_said(kind)}", hint)
        if n.text in _TEXT and kind in ("string", _DYN):
            if len(n.of) != 2:
                raise CelError(n.at, f"{n.text} takes one text")
            self._need(n.of[1], "string", bound)
            return "bool"
        if n.text in _TIME and kind in ("timestamp", _DYN) and len(n.of) == 1:
            return "int"
        if n.text in ("size", "lowerAscii") and len(n.of) == 1:
            return self._call(Node("call", n.at, n.text, n.of), bound)
        known = [*_MACROS, *_TEXT, *_TIME, "size", "lowerAscii"]
        raise CelError(n.at, f"{_said(kind)} has no {n.text}(…) of {len(n.of) - 1} value(s)", closest(n.text, known))

    def _macro(self, n: Node, bound: dict[str, str]) -> str:
        kind = self.of(n.of[0], bound)
        if not (kind.startswith("list(") or kind == _DYN):
            raise CelError(n.at, f"{n.text} is for a list, this is {_said(kind)}", "lines, tags, skus, problems")
        if len(n.of) != 3 or n.of[1].kind != "name":
            raise CelError(
                n.at, f"{n.text} takes a name and what is asked of it", f"as in lines.{n.text}(x, x.qty > 1)"
            )
        self.macros += 1
        if self.macros > 2:
            raise CelError(n.at, "lists within lists within lists", "two at most: an order may have a thousand lines")
        item = kind[5:-1] if kind != _DYN else _DYN
        inner = {**bound, n.of[1].text: item}
        result = self.of(n.of[2], inner) if n.text == "map" else self._need(n.of[2], "bool", inner)
        self.macros -= 1
        return {"map": f"list({result})", "filter": kind}.get(n.text, "bool")


def _quote(n: Node, want: str) -> str:
    if want == "string" and n.kind in ("int", "double", "bool"):
        return f"in quotes it is text: '{n.text}'"
    if want in _NUMBERS and n.kind == "string":
        return f"a number has no quotes: {n.text[1:-1]}"
    return ""
