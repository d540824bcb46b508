"""chdb behind ClickHouse's HTTP protocol, writes too: lets clickhouse-connect's HTTP client run the tests that chdb's client runs."""

from __future__ import annotations

import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

from ops.servers.clickhouse.coding import unpack
from ops.servers.clickhouse.errors import from_text

TRANSPORT = {
    "query",
    "database",
    "session_id",
    "query_id",
    "wait_end_of_query",
    "client_protocol_version",
    "enable_http_compression",
}
TRANSPORT |= {"send_progress_in_http_headers", "http_headers_progress_interval_ms", "default_format"}


class WritableServer:
    """Serves the engine at ``data`` on ``port``."""

    def __init__(self, data: str) -> None:
        self._data = data
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                arguments = dict(parse_qsl(urlsplit(self.path).query))
                raw = (
                    self._chunks()
                    if self.headers.get("Transfer-Encoding")
                    else self.rfile.read(int(self.headers["Content-Length"]))
                )
                raw = unpack(raw, self.headers.get("Content-Encoding", ""), 1 << 30)
                try:
                    status, body, code = 200, outer.run(arguments, raw), ""
                except RuntimeError as e:
                    error = from_text(str(e))
                    status, body, code = 500, error.body("0").encode(), str(error.code)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-ClickHouse-Format", "TabSeparated")
                if code:
                    self.send_header("X-ClickHouse-Exception-Code", code)
                self.end_headers()
                self.wfile.write(body)

            def _chunks(self) -> bytes:
                out = b""
                while size := int(self.rfile.readline(), 16):
                    out += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return out

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def run(self, arguments: dict[str, str], body: bytes) -> bytes:
        connection = chdb.connect(self._data)
        try:
            if database := arguments.get("database"):
                connection.query(f"USE `{database}`")
            settings = {k: v for k, v in arguments.items() if k not in TRANSPORT and not k.startswith("param_")}
            for name, value in settings.items():
                connection.query(f"SET {name} = '{value}'")
            parameters = {k.removeprefix("param_"): v for k, v in arguments.items() if k.startswith("param_")}
            return self._execute(connection, arguments.get("query", ""), body, parameters)
        finally:
            connection.close()

    @staticmethod
    def _execute(connection: Any, query: str, body: bytes, parameters: dict[str, str]) -> bytes:
        if (query or body).lstrip()[:6].upper() not in ("INSERT", b"INSERT"):
            text = "\n".join(t for t in (query, body.decode()) if t)
            return bytes(connection.query(text, "TabSeparated", params=parameters).bytes() or b"")
        if query:
            statement, rows = query, body
        else:
            head, _, rows = body.partition(b"FORMAT Native\n")
            statement = head.decode()
        statement = statement.removesuffix("FORMAT Native").strip()
        with tempfile.NamedTemporaryFile(suffix=".native") as file:
            file.write(rows)
            file.flush()
            connection.query(f"{statement} FROM INFILE '{file.name}' FORMAT Native")
        return b""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
