"""A TCP relay to a real service that can cut the stream, or swallow the answer, at a chosen byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_CHUNK_BYTES = 65536


@dataclass
class Cutter:
    """`up_limit`: cut after so many request bytes; `swallow`: cut at the answer's first byte."""

    port: int
    up_limit: int | None = None
    swallow: bool = False
    stall: bool = False
    open_now: list[socket.socket] = field(default_factory=list)

    def cut_all(self) -> None:
        """Cut every connection, as a service that dies."""
        for connection in self.open_now:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                connection.close()


@contextmanager
def cutter_before(service: tuple[str, int]) -> Iterator[Cutter]:
    """Relay to `service` until the context ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    cutter = Cutter(listener.getsockname()[1])

    def upwards(client: socket.socket, server: socket.socket) -> None:
        passed = 0
        while data := client.recv(_CHUNK_BYTES):
            if cutter.up_limit is not None:
                data = data[: max(0, cutter.up_limit - passed)]
            passed += len(data)
            server.sendall(data)
            if cutter.up_limit is not None and passed >= cutter.up_limit:
                return

    def downwards(client: socket.socket, server: socket.socket) -> None:
        while data := server.recv(_CHUNK_BYTES):
            if cutter.swallow:
                return
            if not cutter.stall:
                client.sendall(data)

    def relay(client: socket.socket, server: socket.socket, *, up: bool) -> None:
        try:
            (upwards if up else downwards)(client, server)
        except OSError:
            pass  # either side may go first
        for side in (client, server):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(service)
            cutter.open_now += [client, server]
            for up in (True, False):
                threading.Thread(
                    target=relay, args=(client, server), kwargs={"up": up}, daemon=True
                ).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield cutter
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        cutter.cut_all()
        for connection in cutter.open_now:
            connection.close()
