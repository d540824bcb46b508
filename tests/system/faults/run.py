"""``make faults``: load and faults by a seed, then every oracle. A table on stdout, JSON in ``--report``; ends with 1 on a violation."""

from __future__ import annotations

import argparse
import faulthandler
import json
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from harness.runner import Options, dump, run
from harness.schedule import PROFILES


def main() -> int:
    """Run, tell, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=2_000, help="webhook deliveries to be confirmed, about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="short")
    parser.add_argument("--rate", type=float, default=400.0, help="orders a second at most")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="of load at the most; the faults are spread over them"
    )
    parser.add_argument("--timeout", type=float, default=3600.0)
    parser.add_argument("--home", type=Path, default=None, help="directory of the servers' data and the logs")
    parser.add_argument("--report", type=Path, default=Path("faults-report.json"))
    parser.add_argument("--json", action="store_true", help="the JSON on stdout instead of the table")
    args = parser.parse_args()
    faulthandler.register(signal.SIGUSR1)  # where it hangs, if it does
    home = args.home or Path(tempfile.mkdtemp(prefix="wharf-faults-")) / "home"
    profile = PROFILES[args.profile]
    options = Options(
        args.deliveries, args.seed, home, profile, args.profile, args.rate, args.timeout, minutes=args.minutes
    )
    report = run(options)
    dump(report, args.report)
    text = json.dumps(report.as_dict(), indent=1) if args.json else "\n".join(report.lines())
    sys.stdout.write(text + "\n")
    sys.stderr.write(f"report: {args.report}; logs: {home}/logs\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
