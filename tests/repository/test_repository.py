"""The repository itself: its top-level names are generic, so what they resolve to is checked."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "schemas", "connectors", "streams", "sinks", "ops", "lab", "wharf")


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_resolves_inside_the_repository(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve() == ROOT / name / "__init__.py"


def test_no_other_distribution_claims_our_names() -> None:
    owners = importlib.metadata.packages_distributions()
    for name in PACKAGES:
        assert set(owners.get(name, ["wharfinger"])) == {"wharfinger"}, name


def test_every_requirement_is_pinned_with_a_hash_and_names_no_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links|-f)\b", text, re.M), path.name
        entries = [e for e in re.split(r"\n(?=\S)", text.strip()) if e and not e.startswith("#")]
        assert entries
        for entry in entries:
            assert "==" in entry.splitlines()[0], entry
            assert "--hash=sha256:" in entry, entry


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / n for n in names if n and (ROOT / n).is_file()]


def test_no_tracked_file_names_this_machine_or_a_registry_host() -> None:
    here = re.escape(str(ROOT)) + "/"
    bad = re.compile(here + r"|--(extra-)?index-" + 'url|"resol' + 'ved":')
    offenders = [
        f"{p.relative_to(ROOT)}:{i}"
        for p in tracked_files()
        if p.stat().st_size < 1_000_000 and p != Path(__file__).resolve()
        for i, line in enumerate(p.read_text(errors="replace").splitlines(), 1)
        if bad.search(line)
    ]
    assert offenders == []


def test_every_make_target_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony
    targets = set(phony[1].split()) - {"tools", "another-python"}
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
    assert targets == documented
