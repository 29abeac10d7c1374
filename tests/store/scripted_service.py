"""A service that does what a script says: for what no real service can be made to do on purpose."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.store.listening import listening

Script = Callable[[socket.socket], None]
"""Plays one connection, which is closed when it returns."""


class ScriptedService:
    """One script a connection, the last one for all later connections.

    Bytes as a script stand for: read a request, answer these bytes, and so on.
    """

    def __init__(self, scripts: tuple[Script | bytes, ...], tls: ssl.SSLContext | None) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        """Head of every request that was answered by bytes."""
        self.connections = 0
        self._scripts = scripts
        self._tls = tls

    def serve(self, connection: socket.socket) -> None:
        """Play the next script."""
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        if self._tls is not None:
            with self._tls.wrap_socket(connection, server_side=True) as safe:
                self._play(safe, script)
        else:
            self._play(connection, script)

    def _play(self, connection: socket.socket, script: Script | bytes) -> None:
        if not isinstance(script, bytes):
            script(connection)
            return
        while request := read_request(connection):
            self.heads.append(request.partition(b"\r\n\r\n")[0])
            connection.sendall(script)


@contextmanager
def scripted_service(
    *scripts: Script | bytes, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedService]:
    """Serve until the context ends."""
    service = ScriptedService(scripts, tls)
    with listening(service.serve) as service.port:
        yield service


def read_request(connection: socket.socket) -> bytes:
    """Read one whole request; return its head and body, or nothing at the stream's end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    while len(body) < _body_length(head):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def _body_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def ok(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """Return a whole answer with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
