"""Every benchmark of the list can at least be started: they rot in silence otherwise, for nothing else runs them."""

from __future__ import annotations

import importlib

import pytest

from bench.__main__ import BENCHMARKS


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_a_benchmarks_module_imports_and_has_its_main(name: str) -> None:
    module = importlib.import_module(BENCHMARKS[name].module + (".__main__" if name == "order-job" else ""))
    assert callable(module.main)
