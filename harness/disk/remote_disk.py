"""A disk under proof behind a URL: a page blob of Azure's protocol, or any server of byte ranges.

Bytes come over kept-alive connections of our own, one for each thread, with no hidden retries but
one: a reused connection that the server closed meanwhile is opened again (reads change nothing).
The list of written pages comes from the Azure SDK.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from typing import Final
from urllib.parse import urlsplit

from harness.disk.source import Extent, merge, shown_url
from harness.errors import Inconclusive, UsageError
from harness.redaction import register_secret

TIMEOUT_S: Final = 30.0
IDLE_S_MAX: Final = 4.0
"""Services cut a connection that was idle for 6 to 8 s (facts.md 0)."""

SERVICE_VERSION: Final = "2021-12-02"
"""x-ms-version of our requests: old enough for every service and emulator that has page ranges."""

_QEMU_TIMEOUT_S: Final = 30
_QEMU_READAHEAD_BYTES: Final = 4 * 1024 * 1024
"""Fewer and larger requests: 15 instead of 36 for a compare of 64 MiB (facts.md 4.1)."""

_REFUSALS: Final = {
    400: "the service calls the request malformed; check the URL and its SAS",
    401: "the service wants credentials; give a URL with a SAS",
    403: "access is refused: wrong key, or a SAS that is expired or lacks read permission; "
    "make a new SAS",
    404: "there is no such blob or container; check the URL's path",
    405: "the service does not serve this as a blob; check the URL",
    409: "the service allows no anonymous access to it; give a URL with a SAS",
    410: "it is gone; check the URL",
}


class RemoteDisk:
    """A blob, opened by one HEAD request."""

    is_remote = True

    def __init__(self, url: str) -> None:
        self.place = url
        self._parts = urlsplit(url)
        self.name = shown_url(url)
        if not self._parts.hostname:
            raise UsageError(f"URL {self.name} names no host")
        self._register_signature()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()
        self._closed = False
        try:
            self.length, self.kind = self._head()
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes with one ranged GET."""
        if length == 0:
            return b""
        span = f"bytes={offset}-{offset + length - 1}"
        answer, body = self._request("GET", {"Range": span})
        if answer.status != http.client.PARTIAL_CONTENT:
            raise self._refusal(answer.status, f"a read of {span}")
        if len(body) != length:
            raise Inconclusive(
                f"{self.name} gave {len(body)} of {length} bytes at {offset}; prove it again"
            )
        return body

    def extents(self) -> list[Extent]:
        """Ask a page blob for its written ranges; any other server is one extent."""
        if self.kind != "PageBlob":
            return [Extent(0, self.length)] if self.length else []
        from azure.core.exceptions import AzureError, HttpResponseError
        from azure.storage.blob import BlobClient, PageRange

        client = BlobClient.from_blob_url(
            self.place, api_version=SERVICE_VERSION, retry_total=0, read_timeout=TIMEOUT_S
        )
        try:
            with client:
                pages: list[PageRange] = list(client.list_page_ranges())
        except HttpResponseError as error:
            # The SDK's own text may hold the URL, hence `from None`.
            raise self._refusal(error.status_code or 0, "its list of page ranges") from None
        except AzureError as error:
            raise self._trouble("its list of page ranges", type(error).__name__) from None
        written = [(p.start, p.end) for p in pages if not p.cleared]
        return merge([Extent(s, e - s + 1) for s, e in written if s is not None and e is not None])

    def check_unchanged(self) -> None:
        """Send another HEAD request."""
        try:
            length, _kind = self._head()
        except UsageError as error:
            raise Inconclusive(f"{error} (it could be read before)") from None
        if length != self.length:
            raise Inconclusive(
                f"{self.name} had {self.length} bytes and now has {length}: it changed under the "
                "proof"
            )

    def qemu_node(self) -> dict[str, object]:
        """Return QEMU's `http` or `https` driver on the URL."""
        return {
            "driver": self._parts.scheme.lower(),
            "url": self.place,
            "timeout": _QEMU_TIMEOUT_S,
            "readahead": _QEMU_READAHEAD_BYTES,
        }

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._closed = True
            for connection in self._open:
                if connection.sock is not None:
                    with contextlib.suppress(OSError):  # wakes a thread that waits for bytes
                        connection.sock.shutdown(socket.SHUT_RDWR)
                connection.close()
            self._open.clear()

    def _register_signature(self) -> None:
        for pair in self._parts.query.split("&"):
            key, _, value = pair.partition("=")
            if key.lower() == "sig" and value:
                register_secret(value)

    def _head(self) -> tuple[int, str]:
        answer, _body = self._request("HEAD", {})
        if answer.status != http.client.OK:
            raise self._refusal(answer.status, "its size")
        length = answer.getheader("Content-Length")
        if length is None or not length.isdigit():
            raise UsageError(f"{self.name}: the server tells no Content-Length, so no disk's size")
        return int(length), answer.getheader("x-ms-blob-type") or "http"

    def _request(
        self, method: str, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request; once more on a fresh connection if a reused one had been closed."""
        target = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        headers = {"x-ms-version": SERVICE_VERSION, "Accept-Encoding": "identity", **headers}
        what = f"{method} {headers.get('Range', '')}".strip()
        while not self._closed:
            connection, reused = self._connection()
            try:
                if not reused:
                    self._join(connection)
                connection.request(method, target, headers=headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._drop(connection)
                if reused and isinstance(error, ConnectionError):
                    continue
                raise self._trouble(what, type(error).__name__) from None
            self._local.used_at = time.monotonic()
            return answer, body
        raise self._trouble(what, "the disk was closed meanwhile")

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """Return this thread's connection, and whether it has been used before."""
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None and kept.sock is not None:
            if time.monotonic() - self._local.used_at < IDLE_S_MAX:
                return kept, True
            self._drop(kept)
        fresh = self._local.connection = self._connect()
        return fresh, False

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme.lower() == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def _join(self, fresh: http.client.HTTPConnection) -> None:
        """Connect. From then on `close` ends what waits on it, or the disk was closed already."""
        fresh.connect()
        fresh.auto_open = 0  # one that `close` closed stays so: nobody would end a new socket
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError
            self._open.add(fresh)

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        connection.close()
        with self._lock:
            self._open.discard(connection)

    def _refusal(self, status: int, what: str) -> UsageError | Inconclusive:
        """Tell a refusal for good (the user's input) from a service in trouble."""
        if status in _REFUSALS:
            return UsageError(f"{self.name}: {what}: HTTP {status}: {_REFUSALS[status]}")
        if status == http.client.OK:
            return UsageError(
                f"{self.name}: the server does not serve byte ranges, so no disk can be read"
            )
        if 300 <= status < 400:
            return UsageError(
                f"{self.name}: {what}: HTTP {status}: it redirects, and a SAS must not be sent "
                "elsewhere; give the final URL"
            )
        return self._trouble(what, f"HTTP {status}")

    def _trouble(self, what: str, cause: str) -> Inconclusive:
        return Inconclusive(
            f"{self.name}: {what}: {cause}: the service is down or does not answer, which says "
            "nothing about the disk; prove it again when it is back"
        )
