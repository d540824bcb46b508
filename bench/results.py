"""Results as JSON, and the page that shows them: ``python -m bench.results`` writes docs/benchmarks.md's tables anew."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "cpu_seconds", "machine", "table", "write"]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"


def machine() -> dict[str, Any]:
    """What it ran on. ``load``: how many processes wanted a core meanwhile (1 minute, 5, 15)."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        model = next(
            (line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line), ""
        )
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": [round(line, 1) for line in os.getloadavg()],
    }


def cpu_seconds(pid: int) -> float | None:
    """What a process has used of the CPU so far, all its threads; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write(name: str, figure: str, unit: str, rows: list[dict[str, Any]], **more: Any) -> Path:
    """Keep a benchmark's rows as ``bench/results/NAME.json``."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=False, cwd=ROOT, capture_output=True, text=True
    ).stdout
    kept = {
        "figure": figure,
        "unit": unit,
        "rows": rows,
        **more,
        "machine": machine(),
        "commit": commit.strip(),
        "at": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
    }
    path.write_text(json.dumps(kept, indent=2) + "\n")
    return path


def table(result: dict[str, Any]) -> str:
    """A Markdown table of a result, a column a field."""
    rows = result["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def bars(rows: list[dict[str, Any]], label: str, value: str) -> str:
    """Horizontal bars as SVG."""
    most = max(row[value] for row in rows)
    height = 28 * len(rows) + 8
    body = []
    for index, row in enumerate(rows):
        top, width = 28 * index + 8, round(420 * row[value] / most)
        body.append(f'<text x="120" y="{top + 14}" text-anchor="end">{row[label]}</text>')
        body.append(f'<rect x="128" y="{top}" width="{max(width, 1)}" height="20" fill="#4878a8"/>')
        body.append(f'<text x="{134 + width}" y="{top + 14}">{row[value]:,.0f}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 {height}" font-family="sans-serif" font-size="13">'
    )
    return "\n".join([head, *body, "</svg>"]) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def main() -> None:
    """Put the tables between the page's markers, and the plots into its images."""
    text = PAGE.read_text()
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text())
        begin, end = f"<!-- {path.stem} -->", f"<!-- /{path.stem} -->"
        if begin not in text:
            continue
        before, _, rest = text.partition(begin)
        host = result["machine"]
        note = (
            f"{result['figure']}; {result['at']}, commit {result['commit']}, {host['cores']} cores of {host['cpu']}, "
            f"load {host['load'][0]}, Python {host['python']}"
            + (f", seed {result['seed']}" if "seed" in result else "")
            + "."
        )
        text = f"{before}{begin}\n{table(result)}\n\n{note}\n{end}{rest.partition(end)[2]}"
        if result.get("plot"):
            (PAGE.parent / "images" / f"{path.stem}.svg").write_text(bars(result["rows"], *result["plot"]))
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
