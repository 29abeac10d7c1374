"""Heartbeats between the sites: one small UDP datagram per interval, answered by the standby.

A datagram is JSON: node, sequence, leaving. Losing one means nothing; anything that cannot be read
is ignored. A heartbeat carries no authority: who owns a blob is decided at the blob alone.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import ConfigurationError

DATAGRAM_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat: who, how many before it, and whether the sender stops in order."""

    node: str
    sequence: int
    leaving: bool = False

    def encode(self) -> bytes:
        """The datagram."""
        fields = {"node": self.node, "sequence": self.sequence, "leaving": self.leaving}
        return json.dumps(fields).encode()


def decode_heartbeat(datagram: bytes) -> Heartbeat | None:
    """Read a datagram; None for anything that is no heartbeat."""
    try:
        fields = json.loads(datagram[:DATAGRAM_BYTES_MAX])
        node, sequence, leaving = fields["node"], fields["sequence"], fields["leaving"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(node) is not str or type(sequence) is not int or type(leaving) is not bool:
        return None
    return Heartbeat(node, sequence, leaving)


def parse_address(address: str) -> tuple[str, int]:
    """Split "HOST:PORT" (the policy has checked its form)."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class _Link(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[Heartbeat, object], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: object) -> None:
        heartbeat = decode_heartbeat(data)
        if heartbeat is not None:
            self._heard(heartbeat, addr)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there now: the next heartbeat may find somebody."""


class HeartbeatSender:
    """The primary's end: speaks every interval, remembers when a standby last answered."""

    def __init__(self, node: str, interval_s: float) -> None:
        self._node = node
        self._interval_s = interval_s
        self._sequence = 0
        self._transports: list[asyncio.DatagramTransport] = []
        self._timer: asyncio.TimerHandle | None = None
        self.answered_at: float | None = None

    async def open(self, address: str) -> None:
        """Get ready to speak to one more standby. Raises ConfigurationError: no such address."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Link(self._answered), remote_addr=parse_address(address)
            )
            self._transports.append(transport)
        except OSError as error:
            raise ConfigurationError(
                f"heartbeat.listen {address}: cannot speak to it: {error.strerror}; correct the"
                " address of the standby in the policy"
            ) from error

    def start(self) -> None:
        """Speak from now on; does nothing if it speaks already."""
        if self._timer is None:
            self._speak()

    def leave(self) -> None:
        """Say that silence will mean an orderly stop, and be silent."""
        if self._timer is not None:
            self._timer.cancel()
        for _ in range(3):
            self._send(leaving=True)

    def close(self) -> None:
        """Be silent."""
        if self._timer is not None:
            self._timer.cancel()
        for transport in self._transports:
            transport.close()

    def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval_s, self._speak)
        self._send(leaving=False)

    def _send(self, *, leaving: bool) -> None:
        self._sequence += 1
        datagram = Heartbeat(self._node, self._sequence, leaving).encode()
        for transport in self._transports:
            transport.sendto(datagram)

    def _answered(self, heartbeat: Heartbeat, _: object) -> None:
        del heartbeat
        self.answered_at = asyncio.get_running_loop().time()


class HeartbeatListener:
    """The standby's end: hears the primary and answers."""

    def __init__(self, node: str, heard: Callable[[Heartbeat], None]) -> None:
        self._node = node
        self._heard = heard
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, address: str) -> None:
        """Listen at `address`. Raises ConfigurationError if it is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Link(self._received), local_addr=parse_address(address)
            )
        except OSError as error:
            raise ConfigurationError(
                f"heartbeat.listen {address}: cannot listen there: {error.strerror}; choose another"
                " port or stop the process that has it"
            ) from error

    def close(self) -> None:
        """Hear nothing more."""
        if self._transport is not None:
            self._transport.close()

    def _received(self, heartbeat: Heartbeat, sender: object) -> None:
        if heartbeat.node == self._node:
            return
        if self._transport is not None:
            answer = Heartbeat(self._node, heartbeat.sequence).encode()
            self._transport.sendto(answer, sender)  # type: ignore[arg-type]  # an address tuple
        self._heard(heartbeat)
