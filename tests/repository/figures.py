"""The house in figures: how big its rooms, modules and functions are, how its names are made, how much is said beside the code.

    python tests/repository/figures.py [FOLDER]     the table of a checkout (default: this one)

Product: every package but tests and benchmarks. Read from the syntax trees, so a figure means the same before and after any move.
Shares of lines are of those that are not blank; a name is counted at each assignment.
"""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import sys
import tokenize
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

PRODUCT = ("domain", "schemas", "connectors", "streams", "sinks", "ops", "lab", "wharf")
LONG_MODULE, LONG_FUNCTION, LONG_LINE, SHORT_DOCSTRING = 300, 40, 100, 4
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Figures:
    """Counts over a set of modules. Lists hold one number a module or function."""

    modules: list[int] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    folders: Counter[Path] = field(default_factory=Counter)
    local_names: list[str] = field(default_factory=list)
    plain_names: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    docstrings: list[int] = field(default_factory=list)
    public_docstrings: list[int] = field(default_factory=list)
    written_lines: int = 0
    comments: int = 0
    long_lines: int = 0
    long_prose: int = 0

    @property
    def lines(self) -> int:
        """All lines of all modules."""
        return sum(self.modules)


def measure(files: list[Path]) -> Figures:
    """Read every file once."""
    figures = Figures()
    for file in files:
        figures.folders[file.parent] += 1
        text = file.read_text(encoding="utf-8")
        if not text.strip():
            continue  # an empty __init__ is a file of its folder and no module
        tree = ast.parse(text)
        figures.modules.append(len(text.splitlines()))
        _functions(figures, tree)
        _docstrings(figures, tree)
        _lines(figures, text)
    return figures


def _functions(figures: Figures, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            figures.functions.append((node.end_lineno or node.lineno) - node.lineno + 1)
            figures.parameters += [name for name in _parameters(node) if name not in ("self", "cls")]
            figures.local_names += _assigned(node, comprehensions=True)
            figures.plain_names += _assigned(node, comprehensions=False)


def _parameters(function: Function) -> list[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [a.arg for a in every if a is not None]


def _assigned(function: Function, comprehensions: bool) -> list[str]:
    """The name of each assignment of the function itself: those of nested functions are theirs."""
    found = []
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.comprehension) and not comprehensions:
            todo += [node.iter, *node.ifs]
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
        todo += ast.iter_child_nodes(node)
    return found


def _docstrings(figures: Figures, tree: ast.Module) -> None:
    """Words of each docstring of a class, function or method; public: no underscore before its name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (text := ast.get_docstring(node)) is None:
            continue
        figures.docstrings.append(len(text.split()))
        if not node.name.startswith("_"):
            figures.public_docstrings.append(len(text.split()))


def _lines(figures: Figures, text: str) -> None:
    lines = text.splitlines()
    figures.written_lines += sum(bool(line.strip()) for line in lines)
    figures.long_lines += sum(len(line) > LONG_LINE for line in lines)
    prose: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            prose.add(token.start[0])
            figures.comments += 1
        if token.type == tokenize.STRING and token.string.lstrip("rRbBuU").startswith('"""'):
            prose |= set(range(token.start[0], token.end[0] + 1))
    figures.long_prose += sum(len(lines[number - 1]) > LONG_LINE for number in prose)


def share_of_letters(names: list[str]) -> float:
    """Per cent of the names that are one letter; ``_`` is a name and no letter."""
    return 100 * sum(len(name) == 1 and name.isalpha() for name in names) / max(1, len(names))


def table(root: Path) -> list[tuple[str, str, str]]:
    """Rows: what, the product's figure, the domain's."""
    product = [f for top in PRODUCT for f in sorted((root / top).rglob("*.py"))]
    both = measure(product), measure([f for f in product if f.relative_to(root).parts[0] == "domain"])
    rows = [
        ("modules", lambda f: f"{len(f.modules)}"),
        ("lines", lambda f: f"{f.lines}"),
        ("median lines a module", lambda f: f"{statistics.median(f.modules):g}"),
        (f"modules over {LONG_MODULE} lines", lambda f: f"{sum(n > LONG_MODULE for n in f.modules)}"),
        ("functions", lambda f: f"{len(f.functions)}"),
        ("median lines a function", lambda f: f"{statistics.median(f.functions):g}"),
        (f"functions over {LONG_FUNCTION} lines", lambda f: f"{sum(n > LONG_FUNCTION for n in f.functions)}"),
        ("files a folder: most", lambda f: f"{max(f.folders.values())}"),
        ("local names of one letter", lambda f: f"{share_of_letters(f.local_names):.1f} %"),
        ("the same, without comprehensions", lambda f: f"{share_of_letters(f.plain_names):.1f} %"),
        ("parameters of one letter", lambda f: f"{share_of_letters(f.parameters):.1f} %"),
        (
            f"public docstrings under {SHORT_DOCSTRING} words",
            lambda f: f"{sum(n < SHORT_DOCSTRING for n in f.public_docstrings)} of {len(f.public_docstrings)}",
        ),
        (
            "the same, private ones too",
            lambda f: f"{sum(n < SHORT_DOCSTRING for n in f.docstrings)} of {len(f.docstrings)}",
        ),
        ("inline comments a 100 lines", lambda f: f"{100 * f.comments / f.written_lines:.2f}"),
        (f"lines over {LONG_LINE} columns", lambda f: f"{100 * f.long_lines / f.written_lines:.1f} %"),
        (f"lines of prose over {LONG_LINE} columns", lambda f: f"{f.long_prose}"),
    ]
    return [(what, figure(both[0]), figure(both[1])) for what, figure in rows]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parents[2])
    rows = [("", "product", "domain"), ("---", "---", "---"), *table(parser.parse_args().folder.resolve())]
    sys.stdout.write("".join(f"| {' | '.join(row)} |\n" for row in rows))


if __name__ == "__main__":
    main()
