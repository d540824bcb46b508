"""The pytest plugin of ``make fuzz``: tests in an order of the seed's, each finding kept at once as a test that shows it again.

``WHARF_FUZZ_SEED``: the seed; ``WHARF_FUZZ_FOUND``: the folder of findings; ``WHARF_FUZZ_AGAIN``: a finding's own example (base64), which is all
that then runs.
"""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis.stateful import RuleBasedStateMachine

import tests.fuzz.profiles  # noqa: F401  # tests outside of tests/ have no conftest that does it

SEED, FOUND, AGAIN = (os.environ.get(f"WHARF_FUZZ_{name}", "") for name in ("SEED", "FOUND", "AGAIN"))
_BLOB = re.compile(r"@reproduce_failure\('[^']+', b'([^']+)'\)")
_ATTRIBUTE = "_hypothesis_internal_use_reproduce_failure"  # what the decorator sets; a machine made within a test can't be decorated
READY = '''\
"""Found by `make fuzz`, seed {seed}: {node}

{error}

To keep it for ever, write the steps below as an explicit example (@example, or a machine's steps as a test) beside the test.

{steps}
"""

import os
import subprocess
import sys


def test_what_was_found_holds_now():
    again = os.environ | {{"WHARF_FUZZ_AGAIN": "{blob}"}}
    command = [sys.executable, "-m", "pytest", "-p", "tests.fuzz.plugin", "--hypothesis-profile", "fuzz", "{node}"]
    assert subprocess.run(command, env=again, check=False).returncode == 0
'''


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle: a budget that ends early leaves out other tests each time."""
    if AGAIN:
        _only_this(items)
    elif SEED:
        random.Random(SEED).shuffle(items)


def _only_this(items: list[pytest.Item]) -> None:
    example = (hypothesis.__version__, AGAIN.encode())
    setattr(RuleBasedStateMachine, _ATTRIBUTE, example)
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item.obj, "hypothesis"):
            setattr(item.obj, _ATTRIBUTE, example)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a failure as a file; tell of each test on stderr."""
    report = yield
    if report.when == "call" and FOUND and not AGAIN:
        sys.stderr.write(f"fuzz: {report.outcome} {item.nodeid} ({report.duration:.1f} s)\n")
    if report.failed and FOUND and not AGAIN and call.excinfo is not None:
        _keep(item.nodeid, call.excinfo.value, report)
    return report


def _keep(node: str, error: BaseException, report: pytest.TestReport) -> None:
    steps = "\n".join(getattr(error, "__notes__", [])) or report.longreprtext
    blob = _BLOB.search("\n".join([steps, *(text for _name, text in report.sections)]))
    text = READY.format(
        seed=SEED,
        node=node,
        error=_safe(f"{type(error).__name__}: {error}"),
        steps=_safe(steps),
        blob=blob.group(1) if blob else "",
    )
    name = re.sub(r"\W+", "_", node.rpartition("/")[2]).strip("_")[:100]
    file = Path(FOUND) / f"test_{SEED}_{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    sys.stderr.write(f"fuzz: FOUND {node}\n{steps}\nfuzz: kept in {file}\n")


def _safe(text: str) -> str:
    """For the inside of a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")
