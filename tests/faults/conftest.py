"""The harness and the oracles are packages beside the tests, used by ``make faults`` too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
