"""Free TCP ports on this machine."""

from __future__ import annotations

import socket
from pathlib import Path

__all__ = ["free_port", "kept_port"]


def free_port() -> int:
    """A port that nothing listens on; another process may take it before you do."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        # As servers do: a port whose last connections still linger in TIME_WAIT is free.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def kept_port(file: Path, wanted: int | None = None) -> int:
    """The wanted port, else the one in ``file`` if it is free, else a free one; remembers it in ``file``."""
    port = wanted or 0
    if not port and file.exists() and (text := file.read_text().strip()).isdigit() and _is_free(int(text)):
        port = int(text)
    port = port or free_port()
    file.write_text(f"{port}\n")
    return port
