"""Faust agents over transactional batches; see docs/adr/0001-runtime.md."""

from __future__ import annotations

from .batch import Batch, Record
from .config import RuntimeConfig
from .errors import RuntimeFailed, StateLost
from .message import Headers, Message, Output
from .runtime import Runtime
from .table import Staged, Table

__all__ = [
    "Batch",
    "Headers",
    "Message",
    "Output",
    "Record",
    "Runtime",
    "RuntimeConfig",
    "RuntimeFailed",
    "Staged",
    "StateLost",
    "Table",
]
