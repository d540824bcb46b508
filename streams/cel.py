"""Conditions of rules in CEL (`cel.dev`), run by ``common-expression-language``: each text is compiled once, and asked often.

An engine of one thread. CEL's own rules hold: ``a || b`` is true where one of them is, even if the other can't be judged.
"""

from __future__ import annotations

from typing import Any

import cel

from domain.rules.conditions import ConditionFailed, Facts

__all__ = ["FUNCTIONS", "CelConditions", "conditions"]

FUNCTIONS: dict[str, Any] = {"lowerAscii": lambda text: "".join(c.lower() if c.isascii() else c for c in text)}
"""What is there beyond CEL's own functions."""

_LIMIT = 1_000


class CelConditions:
    """Conditions in CEL: what ``domain.rules.conditions.Conditions`` asks for."""

    def __init__(self) -> None:
        self._programs: dict[str, cel.Program] = {}
        self._facts: Facts = _nothing
        self._context = cel.Context(functions=dict(FUNCTIONS))

    def holds(self, when: str, facts: Facts) -> bool:
        """Is it true? Raises ConditionFailed where it can't be judged, is no condition, or gives neither true nor false."""
        program = self._programs.get(when) or self._compile(when)
        if facts is not self._facts:
            # Asked for a variable only where the expression comes to it: an order is never turned into CEL values as a whole.
            self._context.set_variable_resolver(facts)
            self._facts = facts
        try:
            result = program.execute(self._context)
        except Exception as e:
            raise ConditionFailed(_why(e)) from e
        if result is True or result is False:
            return result
        raise ConditionFailed(f"neither true nor false but {type(result).__name__}")

    def _compile(self, when: str) -> cel.Program:
        try:
            program = cel.compile(when)
        except Exception as e:
            raise ConditionFailed(f"no CEL: {_why(e)}") from e
        if len(self._programs) >= _LIMIT:  # old versions' texts
            self._programs.clear()
        self._programs[when] = program
        return program


def _nothing(_name: str) -> None:
    return None


def _why(e: Exception) -> str:
    """One short line, without the values of this order: the same failure reads the same."""
    text = str(e).splitlines()[0].partition(". ")[0]
    if isinstance(e, KeyError):
        return f"no such field: {text}"
    if isinstance(e, IndexError):
        return "a list is shorter than its index"
    if isinstance(e, OverflowError):
        return "a number is too large"
    if isinstance(e, ZeroDivisionError):
        return "division by zero"
    return text[:160]


conditions = CelConditions()
"""The one that the workers, scenarios and simulations of this process use."""
