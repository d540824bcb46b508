"""One thing that is not as expected."""

from __future__ import annotations

from typing import Any

import msgspec

from ops.yaml.source import Path

__all__ = ["Difference"]


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as expected; ``path``: where in the expectation."""

    path: Path
    expected: Any
    actual: Any
