"""A service that does what a script says: for what no real service can be made to do on purpose."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Script = Callable[[socket.socket], None]
"""Plays one connection, which is closed when it returns."""


@dataclass
class ScriptedService:
    """Where it listens, and the head of every request that it read."""

    port: int
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0


def read_request(connection: socket.socket) -> bytes:
    """Read one whole request; return its head and body, or nothing at the stream's end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def scripted_service(
    *scripts: Script | bytes, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedService]:
    """Serve one connection after another; bytes stand for: read a request, answer these, go on.

    The last script is used for all later connections.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    service = ScriptedService(listener.getsockname()[1])
    open_now: list[socket.socket] = []

    def answer(connection: socket.socket, answer_bytes: bytes) -> None:
        while request := read_request(connection):
            service.heads.append(request.partition(b"\r\n\r\n")[0])
            connection.sendall(answer_bytes)

    def play(connection: socket.socket, script: Script | bytes) -> None:
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                if isinstance(script, bytes):
                    answer(connection, script)
                else:
                    script(connection)
        except OSError:
            connection.close()  # the client went away: that is its test's business

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_now.append(connection)
            script = scripts[min(service.connections, len(scripts) - 1)]
            service.connections += 1
            thread = threading.Thread(target=play, args=(connection, script), daemon=True)
            players.append(thread)
            thread.start()

    players: list[threading.Thread] = []
    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield service
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for connection in open_now:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                connection.close()
        for player in players:
            player.join(5)


def ok(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """Return a whole answer with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
