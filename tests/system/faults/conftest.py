"""The harness and the oracles are packages beside the tests, used by ``make faults`` too."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# The repository first, then tests/system, where the oracles are.
sys.path[:0] = [str(HERE), str(HERE.parents[2]), str(HERE.parent)]
