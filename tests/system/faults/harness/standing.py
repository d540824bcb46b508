"""Who stands still: a process that its group does not count on, or partitions that nobody owns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ops.monitoring.status import GROUPS
from streams.standing import look_at_group

__all__ = ["all_own", "member_of", "standing_still"]


def member_of(process: str) -> tuple[str, str] | None:
    """A process's group and name in it; None where it reads with no group."""
    if process.startswith("worker-"):
        return "wharf-core", f"wharf-core-{process.removeprefix('worker-')}"
    return {"effects": ("wharf-effects", "wharf-effects-0"), "sink": ("wharf-sink", "wharf-sink-0")}.get(process)


def standing_still(bootstrap: str, processes: Iterable[str]) -> list[str]:
    """Those of the processes that own nothing, and groups with partitions that nobody owns; a broker that does not answer is told as such."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    found = []
    for name, (group, member) in ((p, m) for p in processes if (m := member_of(p))):
        try:
            look = look_at_group(admin, group, member, GROUPS[group])
        except KafkaException as e:
            found.append(f"{name}: {e.args[0].str()}")
            continue
        if not (look.settled and look.known and look.given and not look.free):
            found.append(f"{name} ({member}): {look}")
    return found


def all_own(look: Callable[[], list[str]], since: float, seconds: float) -> tuple[float, list[str]]:
    """Seconds after ``since`` (monotonic) at which nobody stood still, and who still did after ``seconds``. It looks for 10 s at the least: one
    look alone may fall into a rebalance."""
    end = max(since + seconds, time.monotonic() + 10)
    while (still := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return round(time.monotonic() - since, 1), still
