"""The ``wharf`` command. Each group of commands is a module of ``wharf/commands``; heavy imports stay inside their functions."""

from __future__ import annotations

import errno
import importlib
import sys

import typer

__all__ = ["app", "main"]

MODULES = (
    "demo",
    "dlq",
    "kpi",
    "notify",
    "orders",
    "poll",
    "replay",
    "returns",
    "rules",
    "scenario",
    "servers",
    "simulate",
    "sink",
    "status",
    "stock",
    "translate",
    "webhooks",
    "worker",
)

app = typer.Typer(
    name="wharf",
    help="Wharfinger: order & return orchestration between sales channels and warehouses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

for _name in MODULES:
    importlib.import_module(f"wharf.commands.{_name}").register(app)


_PLACES = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENAMETOOLONG,
    }
)
"""What is wrong with a file or directory and no fault of ours: rights, a full disk, one that is no directory or is one."""


def main() -> None:
    """Run the command; an error the user can mend is one line on stderr and exit code 2."""
    from ops.errors import UserError

    try:
        app()
    except UserError as e:
        typer.echo(f"wharf: {e}", err=True)
        sys.exit(2)
    except OSError as e:
        if e.errno not in _PLACES or e.filename is None:
            raise
        typer.echo(f"wharf: {e.filename}: {e.strerror}", err=True)
        sys.exit(2)
