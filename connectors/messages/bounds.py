"""What a text may take: Jinja, sandboxed as ever, whose every way to grow or to go on for ever is counted. The count is by steps, not by time,
so the same message always gives the same bytes or the same error.

A render has a budget of steps: an iteration, a call, a filter, each hundred characters that are put out. A value has a largest size, looked at
before it is made where a small expression makes a large one (``*``, ``**``, ``replace``, ``join``, ``format``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, time
from typing import Any

from jinja2 import TemplateRuntimeError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

__all__ = ["MAX_STEPS", "MAX_VALUE", "BoundedEnvironment", "TooMuch", "budget"]

MAX_STEPS = 20_000
"""An order of 500 lines in the longest text of ours takes 4,000."""
MAX_VALUE = 100_000
"""Characters of a text, items of a list."""
_MAX_NUMBER = 10_000
"""Of an argument that says how wide or how many."""
_BITS = 1024
_DROPPED = ("attr", "center", "filesizeformat", "indent", "pprint", "random", "tojson", "urlize", "wordwrap", "xmlattr")
"""Filters that grow without a bound, look into objects or give another text each time; none is any use in a message."""
_LISTS = ("batch", "dictsort", "first", "groupby", "items", "join", "last", "length", "count", "list", "map", "max", "min", "reject", "rejectattr",
          "reverse", "select", "selectattr", "slice", "sort", "sum", "unique", "default", "d")  # fmt: skip
"""Filters that take lists; all others take what can be printed."""
_TEXT = (
    "lower upper title capitalize casefold strip lstrip rstrip startswith endswith split rsplit splitlines find rfind count "
    "isdigit isalpha isalnum isupper islower isspace removeprefix removesuffix partition rpartition swapcase"
)
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(_TEXT.split()),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("index", "count")),
    tuple: frozenset(("index", "count")),
    date: frozenset(("isoformat", "strftime", "weekday", "isoweekday", "isocalendar", "date", "time", "timestamp")),
    time: frozenset(("isoformat", "strftime")),
}
_WIDTH = re.compile(r"%[^a-zA-Z%]*(?:\*|[0-9]{4,})")

_left: ContextVar[list[int]] = ContextVar("steps left")


class TooMuch(TemplateRuntimeError):
    """A text that would take more than a message may."""


@contextmanager
def budget() -> Iterator[None]:
    """The steps of one render."""
    token = _left.set([MAX_STEPS])
    try:
        yield
    finally:
        _left.reset(token)


def _spend(steps: int) -> None:
    left = _left.get(None)
    if left is None:  # a constant, at the time of compiling: small, as the text itself is
        return
    left[0] -= steps
    if left[0] < 0:
        raise TooMuch(f"the text takes more than {MAX_STEPS:,} steps: too many or too long loops")


def _fits(size: int) -> None:
    if size > MAX_VALUE:
        raise TooMuch(f"a value of {size:,} characters or items: more than {MAX_VALUE:,}")
    _spend(size // 100)


def _sized(value: Any) -> Any:
    if isinstance(value, str | list | tuple | dict):
        _fits(len(value))
    return value


def _printable(value: Any) -> Any:
    """Lists within lists double with each line of a text; printed, so would it."""
    if isinstance(value, list | tuple | dict | set):
        raise TooMuch("a list or group can't be printed: take a loop, or `join`")
    if isinstance(value, str):
        _spend(1)
        _fits(len(value))
    return value


def _flat(value: Any) -> Any:
    inner = value.values() if isinstance(value, dict) else value
    if any(isinstance(item, list | tuple | dict) for item in inner):
        raise TooMuch("a list within a list that the text itself makes")
    return value


def _steps(items: Iterable[Any], cost: int) -> Iterator[Any]:
    for item in items:
        _spend(cost)
        yield item


def _number(value: Any) -> None:
    if isinstance(value, int) and abs(value) > _MAX_NUMBER:
        raise TooMuch(f"the number {value} where at most {_MAX_NUMBER:,} makes sense")


def _before(name: str, value: Any, args: tuple[Any, ...]) -> None:
    """What has to be looked at before a filter makes something large."""
    if name == "join":
        between = len(str(args[0])) if args else 0
        _fits(
            sum(len(str(_printable(item))) + between for item in value) if isinstance(value, list | tuple | str) else 0
        )
    elif name == "replace" and len(args) > 1:
        text, old, new = str(value), str(args[0]), str(args[1])
        _fits(len(text) + (text.count(old) if old else len(text) + 1) * len(new))
    elif name == "format" and _WIDTH.search(str(value)):
        raise TooMuch(f"a width of more than 999, or *, in {str(value)[:40]!r}")
    elif name == "sum":
        for item in value:
            if isinstance(item, list | tuple | dict | str) and len(args) != 0 and not isinstance(args[0], str):
                raise TooMuch("sum is for numbers")
    elif name in ("batch", "slice", "truncate", "round"):
        for argument in args:
            _number(argument)


def _guarded(name: str, made: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, its value and arguments looked at before, its result after. Keeps Jinja's marks on it (``pass_context``)."""
    passes = getattr(made, "jinja_pass_arg", None) is not None

    @functools.wraps(made)
    def filtered(*found: Any, **named: Any) -> Any:
        value, args = (found[1], found[2:]) if passes else (found[0], found[1:])
        _spend(1)
        if isinstance(value, Iterator) and name in ("join", "sum"):
            value = list(_steps(value, 1))
        (_sized if name in _LISTS else _printable)(value)
        for argument in (*args, *named.values()):
            _sized(argument)
        _before(name, value, (*args, *named.values()))
        head = (found[0], value) if passes else (value,)
        return _sized(made(*head, *args, **named))

    return filtered


class _Counted(NodeTransformer):
    """Puts the counting into a text: at each loop, ``~``, list that is written out and loop's constant text."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise TemplateSyntaxError("recursive loops are not for messages", node.lineno)
        self.generic_visit(node)
        constant = sum(len(data.data) for part in node.body for data in part.find_all(nodes.TemplateData))
        node.iter = _filter(node.iter, "wharf steps", nodes.Const(1 + constant // 100))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        made: nodes.Expr = _filter(node.nodes[0], "wharf printable")
        for part in node.nodes[1:]:
            both = nodes.Concat([made, _filter(part, "wharf printable")], lineno=node.lineno)
            made = _filter(both, "wharf sized")
        return made

    def _written_out(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        if getattr(node, "ctx", "load") == "store":  # `for a, b in …`
            return node  # type: ignore[no-any-return]
        return _filter(node, "wharf flat")

    visit_List = visit_Tuple = visit_Dict = _written_out


def _filter(node: Any, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with the bounds; what breaks them is a TooMuch, with the line of the text. Render inside of `budget`."""

    intercepted_binops = frozenset(("*", "**", "+", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=_printable, **options)
        self.globals.clear()
        for name in _DROPPED:
            self.filters.pop(name, None)

    def guard(self, **own: Callable[..., Any]) -> None:
        """Bound every filter there is, and these of our own."""
        self.filters = {name: _guarded(name, made) for name, made in self.filters.items()}
        self.filters |= own
        self.filters |= {
            "wharf steps": _steps,
            "wharf printable": _printable,
            "wharf sized": _sized,
            "wharf flat": _flat,
        }

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counted().visit(super()._parse(source, name, filename))
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator that makes large things of small ones."""
        if operator == "%" and isinstance(left, str):
            _before("format", left, ())
        elif operator == "+" and isinstance(left, str | list | tuple):
            _fits(len(left) + (len(right) if isinstance(right, str | list | tuple) else 0))
        elif operator == "*":
            _product(left, right)
        elif operator == "**" and (_bits(left) * abs(right if isinstance(right, int) else 1) > _BITS):
            raise TooMuch("a power that large")
        return _sized(super().call_binop(context, operator, left, right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """``str.format``: its widths have no bound; the filter ``format`` does the same."""
        if super().wrap_str_format(value) is None:
            return None

        def refused(*args: Any, **named: Any) -> str:
            raise SecurityError("str.format is not for messages: take the filter format, or ~")

        return refused

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # as Jinja names them
        """A macro, or a method of a value."""
        owner = getattr(__obj, "__self__", None)
        kind = next((kind for kind in _METHODS if isinstance(owner, kind)), None)
        name = getattr(__obj, "__name__", "")
        if kind is not None and name not in _METHODS[kind]:
            raise SecurityError(
                f"{kind.__name__}.{name} is not for messages; there are {', '.join(sorted(_METHODS[kind]))}"
            )
        if isinstance(owner, int | float | bytes):
            raise SecurityError(f"{type(owner).__name__}.{name} is not for messages")
        _spend(1)
        return _sized(super().call(__context, __obj, *args, **kwargs))


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 64


def _product(left: Any, right: Any) -> None:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, str | list | tuple) and isinstance(times, int):
            _fits(len(many) * times)
            return
    if _bits(left) + _bits(right) > _BITS:
        raise TooMuch("a product that large")
