"""The volume tap: an NBD server through which any NBD client writes to a protected volume.

One export, one client at a time. The tap decides nothing: it checks requests, hands them to a
`TapHandler` in arrival order and answers when the handler says so, in whatever order that is.
Everything runs in the one asyncio loop that called `serve_tap`.
"""

import asyncio
import logging
from typing import Final

from engine.errors import VolumeError
from engine.shell.tap_address import Listener, open_listener
from engine.shell.tap_connection import Connection
from engine.shell.tap_handler import Done, TapHandler
from engine.shell.tap_memory import TapMemory
from engine.shell.tap_stream import TapStream
from engine.units import PAGE_BYTES

__all__ = ["Done", "TapHandler", "TapServer", "serve_tap"]

CONNECTIONS_MAX: Final = 16
"""Open connections, most of which can only be in their handshake."""

TRIM_SECONDS: Final = 10.0
"""So long memory stays that a burst needed: the next burst often comes soon."""

ACCEPT_PAUSE_SECONDS: Final = 1.0
"""How long to accept nobody after the system refused a descriptor."""

_log = logging.getLogger(__name__)


async def serve_tap(handler: TapHandler, address: str) -> "TapServer":
    """Serve `handler` at "unix:/path" or "host:port" of the loopback (port 0: any free one).

    Raises ConfigurationError for an address that cannot be used, VolumeError for a volume that is
    not made of whole sectors.
    """
    if handler.size_bytes <= 0 or handler.size_bytes % PAGE_BYTES:
        raise VolumeError(
            f"volume {handler.name!r} has {handler.size_bytes} bytes, which is no whole number of "
            f"{PAGE_BYTES}-byte sectors: it cannot be served; resize it"
        )
    listener = open_listener(address)
    return TapServer(handler, listener)


class TapServer:
    """A listening tap; made by `serve_tap`."""

    def __init__(self, handler: TapHandler, listener: Listener) -> None:
        self.handler = handler
        self.address: Final = listener.address
        """Where clients find it, in the form that `serve_tap` takes; the port is the real one."""
        self.active: Connection | None = None
        """The connection that has the export open."""
        self.memory: Final = TapMemory()
        """Of all its connections, for payloads outlive the connection that they came on."""
        self._listener = listener
        self._connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._listening = True
        self._idle = asyncio.Event()
        self._idle.set()
        self._trimmer = self._loop.call_later(TRIM_SECONDS, self._trim)
        self._resume_accepting()

    def close(self) -> None:
        """Stop at once: listen no more, cut all connections; what is in flight ends unanswered."""
        self._stop_listening()
        for connection in tuple(self._connections):
            connection.abort()

    async def drain(self) -> None:
        """Stop in order: take no more requests, answer those in flight, then close."""
        self._stop_listening()
        for connection in tuple(self._connections):
            connection.finish()
        await self.wait_closed()

    async def wait_closed(self) -> None:
        """Return when no connection is left."""
        await self._idle.wait()

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening = False
            self._trimmer.cancel()
            self._loop.remove_reader(self._listener.sock)
            self._listener.sock.close()
            self._listener.remove()

    def _trim(self) -> None:
        self.memory.trim()
        self._trimmer = self._loop.call_later(TRIM_SECONDS, self._trim)

    def _resume_accepting(self) -> None:
        if self._listening:
            self._loop.add_reader(self._listener.sock, self._accept)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # out of descriptors: trying again at once would be a busy loop
            _log.warning("tap %s: cannot accept a client: %s", self.address, error.strerror)
            self._loop.remove_reader(self._listener.sock)
            self._loop.call_later(ACCEPT_PAUSE_SECONDS, self._resume_accepting)
            return
        sock.setblocking(False)
        TapStream(sock, Connection(self))

    # ── what a connection asks (tap_gate.Gate) ──────────────────────────────────────────

    def joined(self, connection: "Connection") -> bool:
        """Count a new connection in; False: there are too many, drop it."""
        if not self._listening or len(self._connections) >= CONNECTIONS_MAX:
            return False
        self._connections.add(connection)
        self._idle.clear()
        return True

    def left(self, connection: "Connection") -> None:
        """Forget a connection that is gone."""
        self.release(connection)
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()

    def release(self, connection: "Connection") -> None:
        """Let the next client come: this one asks for nothing any more."""
        if self.active is connection:
            self.active = None

    def admit(self, connection: "Connection") -> bool:
        """Give the export to `connection` unless a live client has it."""
        if self.active is not None and self.active.peer_is_gone():
            # Its end has arrived but waits unread, behind our own back pressure for example.
            self.active.abort()
            self.active = None
        if self.active is not None:
            _log.warning("tap %s: refused a second client while one is connected", self.address)
            return False
        self.active = connection
        return True
