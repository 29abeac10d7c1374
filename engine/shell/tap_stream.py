"""The socket of one client of the tap: reads for its protocol, sends for it.

What asyncio's own transport does, less what it costs: that needs a turn of the loop for each
wake-up, which a client at queue depth one feels. This one looks for the next request a moment
longer before it gives the loop its turn, for a client that got its answer mostly asks again at
once. Not in the middle of a message: the more of it gathers, the fewer calls take it.

What is written while the client does not fetch it waits here, in order.
"""

import asyncio
import select
import socket
from typing import ClassVar, Final

LOOK_SECONDS: Final = 0.0001
"""How long to look for the next bytes: a client on this machine needs a third of that."""
LOOKS_MAX: Final = 32
"""So often in a row, then the loop's other work has its turn."""

_SELECTABLE_MAX: Final = 1024
"""FD_SETSIZE of the C library."""


class TapProtocol(asyncio.BufferedProtocol):
    """What a stream asks of its protocol beside asyncio's callbacks."""

    def is_at_rest(self) -> bool:
        """Whether the client has to send something new before anything can happen."""
        raise NotImplementedError


class TapStream(asyncio.Transport):
    """A connected socket that does not block."""

    _open: ClassVar[int] = 0
    """How many there are in this process: where others would wait, nobody looks longer."""

    def __init__(self, sock: socket.socket, protocol: TapProtocol) -> None:
        """Begin: the protocol hears of the connection now, and of bytes from the loop."""
        super().__init__({"socket": sock})
        self._sock = sock
        self._fd = sock.fileno()
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._held = bytearray()
        self._held_max = 0
        self._reading = True
        self._writing = True
        self._closing = False
        self._ended = False
        TapStream._open += 1
        protocol.connection_made(self)
        if self._reading and not self._closing:
            self._loop.add_reader(self._fd, self._readable)

    # ── receiving ─────────────────────────────────────────────────────────────────────────────

    def pause_reading(self) -> None:
        """Leave what comes to the socket."""
        if self._reading and not self._closing:
            self._loop.remove_reader(self._fd)
        self._reading = False

    def resume_reading(self) -> None:
        """Hand on what comes."""
        if not self._reading and not self._closing:
            self._loop.add_reader(self._fd, self._readable)
        self._reading = True

    def _readable(self) -> None:
        receive, protocol, watched = self._sock.recv_into, self._protocol, (self._fd,)
        may_look = TapStream._open == 1 and self._fd < _SELECTABLE_MAX
        for _ in range(LOOKS_MAX):
            try:
                count = receive(protocol.get_buffer(-1))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._end(error)
                return
            if not count:
                protocol.eof_received()
                self.close()
                return
            protocol.buffer_updated(count)
            if not (may_look and self._reading and protocol.is_at_rest()) or self._closing:
                return
            if not select.select(watched, (), (), LOOK_SECONDS)[0]:
                return

    # ── sending ───────────────────────────────────────────────────────────────────────────────

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send now what the socket takes; hold the rest."""
        if self._closing:
            return
        sent = 0
        if not self._held:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._end(error)
                return
            if sent == len(data):
                return
            self._loop.add_writer(self._fd, self._writable)
        self._held += memoryview(data)[sent:]
        if self._writing and len(self._held) > self._held_max:
            self._writing = False
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Past `high` held bytes the protocol is told to pause; it goes on at a quarter of them."""
        assert high is not None
        assert low is None
        self._held_max = high

    def get_write_buffer_size(self) -> int:
        """How many bytes are held."""
        return len(self._held)

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._held)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        del self._held[:sent]
        if not self._writing and len(self._held) <= self._held_max // 4:
            self._writing = True
            self._protocol.resume_writing()
        if not self._held:
            self._loop.remove_writer(self._fd)
            if self._closing:
                self._end(None)

    # ── the end ───────────────────────────────────────────────────────────────────────────────

    def is_closing(self) -> bool:
        """Whether nothing is taken in any more."""
        return self._closing

    def close(self) -> None:
        """Receive no more; close when everything held is sent."""
        if self._closing:
            return
        self.pause_reading()
        self._closing = True
        if not self._held:
            self._end(None)

    def abort(self) -> None:
        """Close now."""
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._ended:
            return
        self.pause_reading()
        self._ended = self._closing = True
        self._loop.remove_writer(self._fd)
        self._held.clear()
        TapStream._open -= 1
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        """Not before whoever was in the middle of something with the socket has returned."""
        self._protocol.connection_lost(error)
        del self._protocol
        self._sock.close()
