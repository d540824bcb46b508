"""``python -m schemas.release [--execute]``: keep the present schemas for ever, under their ids, in ``schemas/released/``.

A record on a topic is read with the schema of its id. So a schema that has been released never changes again: the changed one takes a
new id, and must be fully compatible with all that were released for its type. Run it before a version is tagged.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from .compatibility import canonical, changes_that_break

__all__ = ["main", "problems"]


def problems(schemas: dict[str, Any], ids: dict[str, int], released: dict[int, Any]) -> list[str]:
    """What stands against the present schemas: a line each, with the way out; empty where all may be released."""
    top = max([*released, *ids.values()], default=0)
    found = []
    for name, schema in schemas.items():
        old = released.get(ids[name])
        if old is not None and canonical(old) != canonical(schema):
            found.append(
                f"{name}: changed since id {ids[name]} was released: give it the id {top + 1} in schemas/ids.json"
            )
        for old_id, other in released.items():
            if other["name"] == name:
                found += [f"{name}, against its release {old_id}: {why}" for why in changes_that_break(other, schema)]
    gone = sorted({s["name"] for s in released.values()} - set(schemas))
    return found + [f"{name}: released, and gone: topics still hold its records" for name in gone]


def main(arguments: list[str]) -> int:
    """Print what would be released; with ``--execute`` copy it. 1 where something stands against it."""
    from .catalogue import RELEASED, SCHEMA_IDS, SCHEMAS

    against = problems(SCHEMAS, SCHEMA_IDS, RELEASED)
    for line in against:
        sys.stderr.write(f"{line}\n")
    if against:
        return 1
    here = Path(__file__).parent
    for name, schema_id in SCHEMA_IDS.items():
        if schema_id not in RELEASED:
            sys.stdout.write(f"{schema_id} {name}\n")
            if "--execute" in arguments:
                shutil.copyfile(here / "avro" / f"{name}.avsc", here / "released" / f"{schema_id}-{name}.avsc")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
