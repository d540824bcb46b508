"""The harness and the oracles are packages beside the tests, used by ``make faults`` too."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# The repository comes before tests/, whose folders are named like our packages.
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parent)]
