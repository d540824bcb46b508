"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Actor", "AsJson", "Execute", "Reason"]

Reason = Annotated[str, typer.Option(help="Kept with the return, for those who ask later")]
Actor = Annotated[str, typer.Option(help="Who says so; default: the user of this machine")]
Execute = Annotated[bool, typer.Option("--execute", help="Do it; without, only show what would be written")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]
