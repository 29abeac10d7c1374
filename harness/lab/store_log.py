"""The blob service's own request log: an independent witness of what was written and refused.

Azurite writes one line for each request (Apache's common log format). Other services have no log
that the lab can read; then the claims that need it say so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["StoreLog", "StoreRequest"]

_LINE: Final = re.compile(rb'"([A-Z]+) (\S+) HTTP/[0-9.]+" (\d{3})')
_WRITES: Final = frozenset({"PUT", "POST", "DELETE", "PATCH", "MERGE"})


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """One request as the service logged it. `target` is the path below the account."""

    method: str
    target: str
    component: str
    """`comp` of the query: page, lease, properties, metadata, snapshot, ... or empty."""
    status: int

    @property
    def writes(self) -> bool:
        """Whether it was meant to change something other than a lease."""
        return self.method in _WRITES and self.component != "lease"

    @property
    def refused(self) -> bool:
        """4xx: certainly not applied."""
        return 400 <= self.status < 500


class StoreLog:
    """A growing log file; positions in it stand for instants."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def position(self) -> int:
        """Bytes logged so far."""
        return self._path.stat().st_size

    def requests(self, since: int = 0) -> Iterator[StoreRequest]:
        """Everything logged after a position."""
        with self._path.open("rb") as file:
            file.seek(since)
            for line in file:
                found = _LINE.search(line)
                if found is not None:
                    yield _parse(*found.groups())


def _parse(method: bytes, url: bytes, status: bytes) -> StoreRequest:
    parts = urlsplit(url.decode("utf-8", "replace"))
    component = parse_qs(parts.query).get("comp", [""])[0]
    _, _, below_account = unquote(parts.path).lstrip("/").partition("/")
    return StoreRequest(method.decode(), below_account, component, int(status))
