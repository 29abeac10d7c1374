"""Drives a real storage account, Azure's or Azurite, with the model's requests over raw HTTP.

One connection, no retries: what the service answers is what the caller gets. A broken connection
raises OSError or HTTPException; nothing says then whether the request was applied.
"""

import http.client
import time
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

from harness.sim.account_key import AccountKey
from harness.sim.blob_requests import Answer, Listed, Metadata, Request
from harness.sim.request_wire import HttpRequest, from_http, to_http

API_VERSION: Final = "2025-11-05"
TIMEOUT_SECONDS: Final = 30.0
IDLE_SECONDS_MAX: Final = 3.0
"""Azurite closes a connection that was idle for 6 to 8 s (facts.md section 0)."""


class RealAccount:
    """One account, used by one thread. `server` is the Server header of its last answer."""

    def __init__(self, connection_string: str) -> None:
        """Raise UsageError if the connection string has no key."""
        self._key = AccountKey(connection_string)
        self._line: http.client.HTTPConnection | None = None
        self._used_at = 0.0
        self.server = ""
        self.requests = 0

    @property
    def is_azurite(self) -> bool:
        """Whether the last answer came from Azurite."""
        return self.server.lower().startswith("azurite")

    def send(self, container: str, request: Request) -> Answer:
        """One request to one blob, with the real ETags and snapshot ids."""
        status, headers, body = self._exchange(f"/{container}/{request.blob}", to_http(request))
        return from_http(request, status, headers, body)

    def create_container(self, name: str) -> int:
        """Return the status: 201 created, 409 there already."""
        return self._container("PUT", name)

    def delete_container(self, name: str) -> int:
        """Return the status: 202 gone with all its blobs, leased or not."""
        return self._container("DELETE", name)

    def list_blobs(self, container: str) -> list[Listed]:
        """Blobs with snapshots and metadata, one page of the listing (up to 5,000 rows)."""
        query = {"restype": "container", "comp": "list", "include": "snapshots,metadata"}
        status, _, body = self._exchange(f"/{container}", HttpRequest("GET", query, {}))
        if status != 200:
            raise OSError(f"List Blobs of {container!r} answered {status}")
        tree = ET.fromstring(body)  # noqa: S314 - the service under test, not a stranger
        return [_listed(row) for row in tree.iter("Blob")]

    def close(self) -> None:
        """Close the connection."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _container(self, method: str, name: str) -> int:
        headers = {"Content-Length": "0"} if method == "PUT" else {}
        http_request = HttpRequest(method, {"restype": "container"}, headers)
        return self._exchange(f"/{name}", http_request)[0]

    def _exchange(self, path: str, request: HttpRequest) -> tuple[int, dict[str, str], bytes]:
        path = self._key.endpoint.path + path
        request.headers["x-ms-version"] = API_VERSION
        self._key.sign(request.method, path, request.query, request.headers)
        query = "&".join(f"{name}={quote(text, safe='')}" for name, text in request.query.items())
        line = self._connection()
        try:
            target = f"{path}?{query}" if query else path
            line.request(request.method, target, request.body or None, request.headers)
            answer = line.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        headers = {name.lower(): text for name, text in answer.getheaders()}
        self.server = headers.get("server", self.server)
        self.requests += 1
        self._used_at = time.monotonic()
        return answer.status, headers, body

    def _connection(self) -> http.client.HTTPConnection:
        if self._line is not None and time.monotonic() - self._used_at > IDLE_SECONDS_MAX:
            self.close()
        if self._line is None:
            end = self._key.endpoint
            kind = (
                http.client.HTTPSConnection if end.scheme == "https" else http.client.HTTPConnection
            )
            self._line = kind(end.hostname or "", end.port, timeout=TIMEOUT_SECONDS)
        return self._line


def _listed(row: ET.Element) -> Listed:
    metadata: Metadata = tuple(
        sorted((item.tag.lower(), item.text or "") for item in row.iterfind("Metadata/*"))
    )
    return Listed(
        row.findtext("Name", ""),
        row.findtext("Snapshot", ""),
        row.findtext("Properties/Etag", ""),
        int(row.findtext("Properties/Content-Length", "0")),
        int(row.findtext("Properties/x-ms-blob-sequence-number", "0")),
        metadata,
    )
