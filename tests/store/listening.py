"""A listener on a free loopback port that hands every connection to a thread, and ends cleanly."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def end(connection: socket.socket) -> None:
    """Shut `connection` down in both directions: whoever waits on it wakes up."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Yield the port; every connection is closed when `serve` returns, and all at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve_one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client may go first
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                connection, _ = listener.accept()
                taken.append(connection)
                threads.append(threading.Thread(target=serve_one, args=(connection,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        end(listener)
        listener.close()
        acceptor.join()
        for connection in taken:
            end(connection)
        for thread in threads:
            thread.join()
