"""A blob service in miniature that breaks on command: HEAD, ranges, page lists, and faults.

It stands for a service in trouble, which the real emulator cannot be made to be at a chosen
request. What it serves well is checked against the real one in test_prove_azurite.py.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from harness.disk.local_disk import LocalDisk

Fault = Callable[["Served", BaseHTTPRequestHandler], bool]
"""Called before each answer; True if it answered (or cut the connection) instead."""


@dataclass
class Served:
    """One disk being served; `requests` are its request lines so far."""

    path: Path
    url: str
    blob_type: str | None = "PageBlob"
    fault: Fault | None = None
    requests: list[str] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        served = cast("_Server", self.server).served
        served.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}")
        if served.fault is not None and served.fault(served, self):
            return
        query = urlsplit(self.path).query
        if "comp=pagelist" in query:
            self._send(200, _page_list(served.path), "application/xml")
        elif self.command == "HEAD":
            self._head(served)
        else:
            self._range(served)

    def _head(self, served: Served) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(served.path.stat().st_size))
        self.send_header("Accept-Ranges", "bytes")
        if served.blob_type:
            self.send_header("x-ms-blob-type", served.blob_type)
        self.end_headers()

    def _range(self, served: Served) -> None:
        size = served.path.stat().st_size
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or size - 1), size - 1)
        with served.path.open("rb") as file:
            file.seek(start)
            body = file.read(end - start + 1)
        self._send(206, body, "application/octet-stream", f"bytes {start}-{end}/{size}")

    def _send(self, status: int, body: bytes, kind: str, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind)
        self.send_header("Accept-Ranges", "bytes")
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    served: Served

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet about clients that were cut off."""


def _page_list(path: Path) -> bytes:
    disk = LocalDisk(path)
    pages = "".join(
        f"<PageRange><Start>{e.offset}</Start><End>{e.end - 1}</End></PageRange>"
        for e in disk.extents()
    )
    disk.close()
    return f'<?xml version="1.0"?><PageList>{pages}</PageList>'.encode()


@contextmanager
def serve(path: Path) -> Iterator[Served]:
    """Serve the file at `path` as /container/disk.vhd with a SAS-like query."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    port = server.server_address[1]
    url = f"http://127.0.0.1:{port}/container/disk.vhd?sp=r&sig=Zm9yLXRlc3RzLW9ubHk%3D"
    server.served = Served(path, url, stop=server.server_close)
    try:
        yield server.served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int) -> Fault:
    """Answer everything with this status."""

    def fault(_served: Served, handler: BaseHTTPRequestHandler) -> bool:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return fault


def dies_after(count: int) -> Fault:
    """Answer `count` requests, then cut every connection without an answer."""

    def fault(served: Served, handler: BaseHTTPRequestHandler) -> bool:
        if len(served.requests) <= count:
            return False
        handler.close_connection = True
        return True

    return fault


def status_after(count: int, code: int) -> Fault:
    """Answer `count` requests, then refuse all others with a status."""
    refuse = status(code)

    def fault(served: Served, handler: BaseHTTPRequestHandler) -> bool:
        return len(served.requests) > count and refuse(served, handler)

    return fault


def cuts_bodies(served: Served, handler: BaseHTTPRequestHandler) -> bool:
    """Promise the whole range and send less, then hang up."""
    if handler.command != "GET" or "comp=" in handler.path:
        return False
    handler.send_response(206)
    handler.send_header("Content-Length", "512")
    handler.send_header("Content-Range", f"bytes 0-511/{served.path.stat().st_size}")
    handler.end_headers()
    handler.wfile.write(bytes(100))
    handler.close_connection = True
    return True


def drops_each_idle_connection(_served: Served, handler: BaseHTTPRequestHandler) -> bool:
    """Answer well and say nothing of it, but close the connection after each answer."""
    handler.close_connection = True
    return False
