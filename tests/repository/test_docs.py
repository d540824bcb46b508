"""The documentation leads somewhere: links and paths exist, commands parse, decisions are numbered without gaps."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer.main

from wharf import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "compose/README.md"])
TOPS = "domain|schemas|connectors|streams|sinks|ops|lab|wharf|tests|bench|docs|compose|requirements"


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [link.partition("#")[0] for link in links if not re.match(r"https?:|mailto:|#", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    paths = re.findall(rf"`((?:{TOPS})/[\w./-]*)`", page.read_text())
    real = [path for path in paths if not re.search(r"\b(NAME|TYPE|ID-TYPE|LANGUAGE)\b", path)]
    assert [path for path in real if not (ROOT / path).exists()] == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = [str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md") if p.name != "README.md"]
    assert [page for page in pages if f"({page})" not in index] == []


def test_decisions_are_numbered_without_gaps_and_have_one_head() -> None:
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for number, record in enumerate(records, 1):
        head = rf"# {number}\. .+\n\n- Status: (accepted|replaced).*\n(  .*\n)?- Date: \d{{4}}-\d\d-\d\d\n"
        assert re.match(head, record.read_text()), record.name


def commands() -> set[tuple[str, ...]]:
    """The words of each ``wharf …`` in a block of code or between backticks, up to the first that is no command's name."""
    found = set()
    for page in PAGES:
        for line in re.findall(r"^wharf [^\n]*|(?<=`)wharf [^`\n]*(?=`)", page.read_text(), re.M):
            words = re.split(r"\s{2,}|#", line)[0].split()[1:]
            found.add(tuple(words))
    return found


def problem(words: tuple[str, ...]) -> str:
    """What is wrong with the command's name or options; empty: nothing."""
    group: click.Command = typer.main.get_command(cli.app)
    for i, word in enumerate(words):
        if not hasattr(group, "commands"):
            options = {option for parameter in group.params for option in (*parameter.opts, *parameter.secondary_opts)}
            asked = re.findall(r"(?<![\w-])--[a-z][a-z-]*", " ".join(words[i:]))
            return ", ".join(o for o in asked if o not in options | {"--help"})
        choices = word.split("|")
        if not re.fullmatch(r"[a-z|-]+", word) or word.startswith("-"):
            return ""
        if missing := [c for c in choices if c not in group.commands]:
            return f"no command {missing[0]}"
        group = group.commands[choices[0]]
    return ""


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    wrong = {" ".join(words): problem(words) for words in commands()}
    assert {shown: what for shown, what in wrong.items() if what} == {}
