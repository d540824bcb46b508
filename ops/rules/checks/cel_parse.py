"""CEL as a tree with the place of every part, for checking; the engine itself (``streams.cel``) tells none of that.

Grammar: https://github.com/google/cel-spec/blob/master/doc/langdef.md, without message construction, which rules have no use for.
"""

from __future__ import annotations

import re
from typing import NoReturn

import msgspec

__all__ = ["BINARY", "CelError", "Node", "parse"]


class CelError(Exception):
    """Something wrong at ``at`` (characters from the beginning of the expression), and the way out."""

    def __init__(self, at: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.at, self.message, self.hint = at, message, hint


class Node(msgspec.Struct, frozen=True):
    """A part of an expression. ``kind``: int, double, string, bytes, bool, null, name, field, index, call, method, list, map, unary,
    binary, cond; ``text``: name or operator; ``of``: its parts, a method's target first.
    """

    kind: str
    at: int
    text: str
    of: tuple[Node, ...] = ()


_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<double>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
    |(?P<int>0x[0-9a-fA-F]+[uU]?|\d+[uU]?)
    |(?P<string>[bBrR]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<op>\|\||&&|==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)

BINARY = {"||": 1, "&&": 2, **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3), "+": 4, "-": 4}
BINARY |= dict.fromkeys(("*", "/", "%"), 5)

_WORDS = {"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!"}
_MOST = 1_000

Token = tuple[str, str, int]


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            _unknown(text, at)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append((kind, match[0], at))
        at = match.end()
    return [*found, ("end", "", len(text.rstrip()))]


def _unknown(text: str, at: int) -> NoReturn:
    char = text[at]
    hints = {"=": "equal is ==", "&": "and is &&", "|": "or is ||", "'": "a text ends with the quote it began with"}
    hints |= {'"': hints["'"], "‘": "write ' for a quote", "’": "write ' for a quote", "“": 'write " for a quote'}
    raise CelError(at, f"{char} is not understood here", hints.get(char, ""))


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.i = 0
        self.depth = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.i]

    def take(self) -> Token:
        token = self.now
        self.i += 1
        return token

    def has(self, *texts: str) -> bool:
        return self.now[0] in ("op", "name") and self.now[1] in texts

    def need(self, text: str) -> None:
        if not self.has(text):
            kind, found, at = self.now
            what = f"{found} where {text} should be" if kind != "end" else f"{text} is missing at the end"
            raise CelError(at, what, _WORDS.get(found, "") and f"write {_WORDS[found]}")
        self.take()

    def whole(self) -> Node:
        node = self.expression()
        kind, text, at = self.now
        if kind != "end":
            hint = f"write {_WORDS[text]}" if text in _WORDS else "join conditions with && or ||"
            raise CelError(at, f"{text} does not belong here", hint)
        return node

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > 40:
            raise CelError(self.now[2], "too deeply nested", "split it over several rules")
        node = self.binary(1)
        if self.has("?"):
            at = self.take()[2]
            yes = self.binary(1)
            self.need(":")
            node = Node("cond", at, "?", (node, yes, self.expression()))
        self.depth -= 1
        return node

    def binary(self, level: int) -> Node:
        left = self.unary()
        while self.now[0] in ("op", "name") and BINARY.get(self.now[1], 0) >= level:
            _, op, at = self.take()
            left = Node("binary", at, op, (left, self.binary(BINARY[op] + 1)))
        return left

    def unary(self) -> Node:
        if self.has("!", "-"):
            _, op, at = self.take()
            self.depth += 1
            if self.depth > 40:
                raise CelError(at, "too deeply nested", "take some of them out")
            node = Node("unary", at, op, (self.unary(),))
            self.depth -= 1
            return node
        return self.member()

    def member(self) -> Node:
        node = self.primary()
        while True:
            if self.has("."):
                self.take()
                kind, name, at = self.take()
                if kind != "name":
                    raise CelError(at, "a name is missing after the dot")
                if self.has("("):
                    node = Node("method", at, name, (node, *self.arguments(")")))
                else:
                    node = Node("field", at, name, (node,))
            elif self.has("["):
                at = self.take()[2]
                node = Node("index", at, "", (node, self.expression()))
                self.need("]")
            else:
                return node

    def arguments(self, end: str) -> list[Node]:
        self.take()
        found: list[Node] = []
        while not self.has(end):
            found.append(self.expression())
            if not self.has(","):
                break
            self.take()
        self.need(end)
        return found

    def primary(self) -> Node:
        kind, text, at = self.now
        if self.has("("):
            self.take()
            node = self.expression()
            self.need(")")
            return node
        if self.has("["):
            return Node("list", at, "", tuple(self.arguments("]")))
        if self.has("{"):
            return self.map()
        if kind == "name":
            return self.name()
        if kind in ("int", "double", "string"):
            self.take()
            return Node("bytes" if kind == "string" and "b" in text[:2].lower().split("'")[0] else kind, at, text)
        message = "the expression ends too early" if kind == "end" else f"{text} is not understood here"
        raise CelError(at, message, "a value or a variable belongs here")

    def name(self) -> Node:
        _, text, at = self.take()
        if text in ("true", "false"):
            return Node("bool", at, text)
        if text == "null":
            return Node("null", at, text)
        if text in _WORDS or text == "in":
            raise CelError(at, f"{text} is not understood here", f"write {_WORDS.get(text, 'X in [A, B]')}")
        return Node("call", at, text, tuple(self.arguments(")"))) if self.has("(") else Node("name", at, text)

    def map(self) -> Node:
        at, found = self.take()[2], list[Node]()
        while not self.has("}"):
            found.append(self.expression())
            self.need(":")
            found.append(self.expression())
            if not self.has(","):
                break
            self.take()
        self.need("}")
        return Node("map", at, "", tuple(found))


def parse(text: str) -> Node:
    """The tree of an expression. Raises CelError with the place."""
    if len(text) > _MOST:
        raise CelError(_MOST, f"longer than {_MOST} characters", "split it over several rules")
    return _Parser(text).whole()
