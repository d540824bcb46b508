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


def _same(left: str, right: str) -> bool:
    return (
        _DYN in (left, right)
        or left == right
        or (left in _NUMBERS and right in _NUMBERS)
        or {left, right} == {"list(dyn)", right or left}
        or (left.startswith("list(") and right.startswith("list(") and "list(dyn)" in (left, right))
    )


class _Types:
    def __init__(self, place: str) -> None:
        self.place = place
        self.macros = 0

    def of(self, node: Node, bound: dict[str, str]) -> str:
        """The type of a part. Raises CelError."""
        return str(getattr(self, f"_{node.kind}", self._literal)(node, bound))

    def _literal(self, node: Node, _bound: dict[str, str]) -> str:
        return node.kind

    def _name(self, node: Node, bound: dict[str, str]) -> str:
        if node.text in bound:
            return bound[node.text]
        variable = VARIABLES.get(node.text)
        if variable is not None and self.place in variable.places:
            return variable.type
        known = [name for name, item in VARIABLES.items() if self.place in item.places]
        if variable is not None:
            where = {
                "order": "checks and fraud rules",
                "customer": "fraud rules",
                "pool": "routing, depots and priorities",
            }
            only = " and ".join(where[place] for place in variable.places)
            with_ = "" if self.place != "customer" else ": not beside `customer` or `velocity`"
            raise CelError(node.at, f"{node.text} is only known in {only}{with_}", f"known here: {', '.join(known)}")
        quoted = f"a text stands in quotes: '{node.text}'" if node.text.isupper() else ""
        hint = closest(node.text, known) or quoted or f"known here: {', '.join(known)}"
        raise CelError(node.at, f"no such variable: {node.text}", hint)

    def _field(self, node: Node, bound: dict[str, str]) -> str:
        kind = self.of(node.of[0], bound)
        if kind in _FIELDS:
            if node.text in _FIELDS[kind]:
                return _FIELD_TYPES[kind][node.text]
            names = list(_FIELDS[kind])
            raise CelError(
                node.at, f"{kind} has no field {node.text}", closest(node.text, names) or f"it has {', '.join(names)}"
            )
        if kind in (_DYN, "map"):
            return _DYN
        hint = f"as in {node.of[0].text}.exists(x, x.{node.text} …)" if kind == "list(line)" else ""
        raise CelError(node.at, f"{_said(kind)} has no field {node.text}", hint)

    def _index(self, node: Node, bound: dict[str, str]) -> str:
        kind, by = self.of(node.of[0], bound), self.of(node.of[1], bound)
        if kind.startswith("list(") and not _same(by, "int"):
            raise CelError(node.of[1].at, "an index is a whole number")
        return kind[5:-1] if kind.startswith("list(") else _DYN

    def _list(self, node: Node, bound: dict[str, str]) -> str:
        kinds = {self.of(item, bound) for item in node.of}
        return f"list({kinds.pop() if len(kinds) == 1 else _DYN})"

    def _map(self, node: Node, bound: dict[str, str]) -> str:
        for entry in node.of:
            self.of(entry, bound)
        return "map"

    def _cond(self, node: Node, bound: dict[str, str]) -> str:
        self._need(node.of[0], "bool", bound)
        left, right = self.of(node.of[1], bound), self.of(node.of[2], bound)
        return left if left == right else _DYN

    def _unary(self, node: Node, bound: dict[str, str]) -> str:
        if node.text == "!":
            return self._need(node.of[0], "bool", bound)
        kind = self.of(node.of[0], bound)
        if kind not in (*_NUMBERS, _DYN):
            raise CelError(node.at, f"- before {_said(kind)}")
        return kind

    def _need(self, node: Node, want: str, bound: dict[str, str]) -> str:
        kind = self.of(node, bound)
        if kind not in (want, _DYN):
            hint = "compare it: total > 5000, 'VIP' in tags" if want == "bool" else ""
            raise CelError(node.at, f"this is {_said(kind)}, not {_said(want)}", hint)
        return want

    def _binary(self, node: Node, bound: dict[str, str]) -> str:
        if node.text in ("&&", "||"):
            return self._need(node.of[0], "bool", bound) and self._need(node.of[1], "bool", bound)
        left, right = (self.of(item, bound) for item in node.of)
        if node.text == "in":
            if not (right.startswith("list(") or right in ("map", _DYN)):
                raise CelError(
                    node.of[1].at, f"in asks for a list, this is {_said(right)}", "as in country in ['NL', 'BE']"
                )
            if right.startswith("list(") and not _same(left, right[5:-1]):
                raise CelError(node.at, f"{_said(left)} is never in {_said(right)}", _quote(node.of[0], right[5:-1]))
            return "bool"
        if node.text in ("==", "!=", "<", "<=", ">", ">="):
            if not _same(left, right) or (node.text not in ("==", "!=") and not {left, right} <= {*_ORDERED, _DYN}):
                raise CelError(
                    node.at, f"{_said(left)} {node.text} {_said(right)} can't be compared", _quote(node.of[1], left)
                )
            return "bool"
        return self._sum(node, left, right)

    def _sum(self, node: Node, left: str, right: str) -> str:
        if _DYN in (left, right):
            return _DYN
        times = {("timestamp", "-", "timestamp"): "duration", ("timestamp", "-", "duration"): "timestamp"}
        times |= {("timestamp", "+", "duration"): "timestamp", ("duration", "+", "duration"): "duration"}
        if (left, node.text, right) in times:
            return times[left, node.text, right]
        if left == right and (
            left in _NUMBERS or (node.text == "+" and (left == "string" or left.startswith("list(")))
        ):
            return left
        hint = "write double(…) around the whole number" if {left, right} == set(_NUMBERS) else ""
        raise CelError(node.at, f"{_said(left)} {node.text} {_said(right)} is nothing", hint)

    def _call(self, node: Node, bound: dict[str, str]) -> str:
        if node.text not in _CALLS:
            hint = (
                closest(node.text, [*_CALLS, *_TEXT, *_MACROS]) or f"there are {', '.join([*_CALLS, *_TEXT, *_MACROS])}"
            )
            raise CelError(node.at, f"no such function: {node.text}", hint)
        if len(node.of) != 1:
            raise CelError(node.at, f"{node.text} takes one value, not {len(node.of)}")
        kind = self.of(node.of[0], bound)
        if node.text == "size" and not (kind in ("string", "map", _DYN) or kind.startswith("list(")):
            raise CelError(node.of[0].at, f"size of {_said(kind)}", "of a text or a list")
        if node.text == "lowerAscii":
            self._need(node.of[0], "string", bound)
        return _CALLS[node.text]

    def _method(self, node: Node, bound: dict[str, str]) -> str:
        if node.text in _MACROS:
            return self._macro(node, bound)
        kind = self.of(node.of[0], bound)
        if node.text in _TEXT and kind.startswith("list("):
            hint = "as in tags.exists(t, t.startsWith('V'))" if node.text != "contains" else "as in 'VIP' in tags"
            raise CelError(node.at, f"{node.text} is for a text, this is {_said(kind)}", hint)
        if node.text in _TEXT and kind in ("string", _DYN):
            if len(node.of) != 2:
                raise CelError(node.at, f"{node.text} takes one text")
            self._need(node.of[1], "string", bound)
            return "bool"
        if node.text in _TIME and kind in ("timestamp", _DYN) and len(node.of) == 1:
            return "int"
        if node.text in ("size", "lowerAscii") and len(node.of) == 1:
            return self._call(Node("call", node.at, node.text, node.of), bound)
        known = [*_MACROS, *_TEXT, *_TIME, "size", "lowerAscii"]
        raise CelError(
            node.at, f"{_said(kind)} has no {node.text}(…) of {len(node.of) - 1} value(s)", closest(node.text, known)
        )

    def _macro(self, node: Node, bound: dict[str, str]) -> str:
        kind = self.of(node.of[0], bound)
        if not (kind.startswith("list(") or kind == _DYN):
            raise CelError(node.at, f"{node.text} is for a list, this is {_said(kind)}", "lines, tags, skus, problems")
        if len(node.of) != 3 or node.of[1].kind != "name":
            raise CelError(
                node.at, f"{node.text} takes a name and what is asked of it", f"as in lines.{node.text}(x, x.qty > 1)"
            )
        self.macros += 1
        if self.macros > 2:
            raise CelError(
                node.at, "lists within lists within lists", "two at most: an order may have a thousand lines"
            )
        item = kind[5:-1] if kind != _DYN else _DYN
        inner = {**bound, node.of[1].text: item}
        result = self.of(node.of[2], inner) if node.text == "map" else self._need(node.of[2], "bool", inner)
        self.macros -= 1
        return {"map": f"list({result})", "filter": kind}.get(node.text, "bool")


def _quote(node: Node, want: str) -> str:
    if want == "string" and node.kind in ("int", "double", "bool"):
        return f"in quotes it is text: '{node.text}'"
    if want in _NUMBERS and node.kind == "string":
        return f"a number has no quotes: {node.text[1:-1]}"
    return ""
