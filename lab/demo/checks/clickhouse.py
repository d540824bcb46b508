"""ClickHouse over plain HTTP, as curl would ask it."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlencode
from urllib.request import Request, urlopen

__all__ = ["ClickHouse", "ClickHouseError"]


class ClickHouseError(Exception):
    """The server refused a query or could not be reached; the message holds the query and its words."""


class ClickHouse:
    """Queries against ``url`` (``http://user:password@127.0.0.1:8123``), answers as dicts."""

    def __init__(self, url: str, database: str = "wharf", timeout: float = 60.0) -> None:
        credentials, _, place = url.partition("://")[2].rpartition("@")
        self.url = f"{url.partition('://')[0]}://{place}".rstrip("/")
        self._key = unquote(credentials.partition(":")[2])
        self.database = database
        self.timeout = timeout

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query; 64-bit integers come as ints. Raises ClickHouseError."""
        parameters = urlencode(
            {
                "database": self.database,
                "default_format": "JSONEachRow",
                "output_format_json_quote_64bit_integers": "0",
            }
        )
        request = Request(f"{self.url}/?{parameters}", data=sql.encode(), method="POST")  # noqa: S310
        if self._key:
            request.add_header("X-ClickHouse-Key", self._key)
        try:
            with urlopen(request, timeout=self.timeout) as answer:  # noqa: S310
                text = answer.read().decode()
        except HTTPError as e:
            raise ClickHouseError(f"{sql!r}: {e.read().decode(errors='replace')[:500]}") from e
        except (URLError, TimeoutError) as e:
            raise ClickHouseError(f"{sql!r}: {self.url}: {e}") from e
        return [json.loads(line) for line in text.splitlines() if line]

    def value(self, sql: str) -> Any:
        """The single value of a query of one row and one column."""
        (row,) = self.rows(sql)
        (value,) = row.values()
        return value
