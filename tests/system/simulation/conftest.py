"""The simulator is a package beside its tests; `make sim` runs it too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
