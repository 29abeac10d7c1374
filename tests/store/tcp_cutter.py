"""A TCP relay before a real service that cuts the stream, or keeps the answer, when told to."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.store.listening import end, listening

_CHUNK_BYTES = 65536


class Cutter:
    """Relays until it is told otherwise, which also counts for connections made before."""

    def __init__(self, service: tuple[str, int]) -> None:
        self.port = 0
        self.up_limit: int | None = None
        """Cut a connection after so many bytes of requests."""
        self.swallow = False
        """Cut a connection where its answer begins."""
        self.stall = False
        """Keep answers back, with the connection open."""
        self._service = service
        self._open: list[socket.socket] = []

    def cut_all(self) -> None:
        """Cut every connection, as a service that dies."""
        for connection in self._open:
            end(connection)

    def relay(self, client: socket.socket) -> None:
        """Relay one connection until either side ends, or it is cut."""
        with socket.create_connection(self._service) as server:
            self._open += [client, server]
            upwards = threading.Thread(target=self._upwards, args=(client, server))
            upwards.start()
            with contextlib.suppress(OSError):
                self._downwards(client, server)
            end(client)
            end(server)
            upwards.join()

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK_BYTES):
                left = len(data) if self.up_limit is None else max(0, self.up_limit - passed)
                server.sendall(data[:left])
                passed += len(data)
                if left < len(data):
                    break
        end(client)
        end(server)

    def _downwards(self, client: socket.socket, server: socket.socket) -> None:
        while data := server.recv(_CHUNK_BYTES):
            if self.swallow:
                return
            if not self.stall:
                client.sendall(data)


@contextmanager
def cutter_before(service: tuple[str, int]) -> Iterator[Cutter]:
    """Relay to `service` until the context ends."""
    cutter = Cutter(service)
    with listening(cutter.relay) as cutter.port:
        try:
            yield cutter
        finally:
            cutter.cut_all()
