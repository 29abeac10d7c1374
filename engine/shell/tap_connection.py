"""One client of the tap: its handshake, its requests, its replies and its back pressure.

All requests that one wake-up of the loop received are handed on at once, and their replies leave in
one system call; that is where the speed comes from.

Memory is bounded: past `REQUESTS_MAX` unanswered requests, `PAYLOAD_BYTES_IN_FLIGHT_MAX` unanswered
bytes or `REPLY_BYTES_MAX` replies that the client does not fetch, its socket is not read any more.
"""

import asyncio
import errno
import logging
import os
import select
from functools import partial
from mmap import mmap
from typing import Final

from engine.errors import ProtocolError
from engine.shell import nbd_protocol as nbd
from engine.shell.tap_gate import Gate
from engine.shell.tap_stream import TapProtocol
from engine.units import MIB

REQUESTS_MAX: Final = 128
PAYLOAD_BYTES_IN_FLIGHT_MAX: Final = 64 * MIB
REPLY_BYTES_MAX: Final = 1 * MIB
HANDSHAKE_SECONDS_MAX: Final = 10.0

_BUFFER_BYTES: Final = 256 * 1024
"""For the handshake and for a client that only reads."""
_ROOM_BYTES: Final = 256 * 1024
"""A socket holds less: with this much room one system call takes all that has arrived."""
_JOIN_BYTES_MAX: Final = 32 * 1024
"""Up to here it is cheaper to copy read data behind its header than to hand over two buffers."""

_log = logging.getLogger(__name__)


class Connection(TapProtocol):
    """One client: handshake, then requests until it leaves.

    Received bytes lie in `_buffer[_start:_end]`. Payloads are handed on as views of it; once one
    was, nothing before `_end` may change, so a buffer that is full is replaced, not used again.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._handler = gate.handler
        self._size_bytes = gate.handler.size_bytes
        self._negotiation: nbd.Negotiation | None = nbd.Negotiation(
            gate.handler.name, self._size_bytes, lambda: gate.admit(self)
        )
        self._loop = asyncio.get_running_loop()
        self._memory = gate.memory
        self._use(bytearray(_BUFFER_BYTES))
        self._start = 0
        self._end = 0
        self._replies: list[bytes] = []
        self._replies_bytes = 0
        self._in_flight_count = 0
        self._in_flight_bytes = 0
        self._parsing = False
        self._wake_scheduled = False
        self._reading = True
        self._writable = True
        self._finishing = False
        self._lost = False

    # ── the transport's side ──────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._fd = transport.get_extra_info("socket").fileno()
        self._handshake_timer = self._loop.call_later(HANDSHAKE_SECONDS_MAX, self._handshake_late)
        if not self._gate.joined(self):
            transport.abort()
            return
        transport.set_write_buffer_limits(high=REPLY_BYTES_MAX)
        transport.write(nbd.Negotiation.greeting())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 asyncio names it
        """Forget the client; what is in flight completes unanswered."""
        self._lost = True
        self._handshake_timer.cancel()
        self._replies.clear()
        self._use(bytearray())  # only payloads keep memory now
        self._gate.left(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 asyncio names it
        """Return where the next bytes go; `_make_room` has seen to it that there is room."""
        return self._room[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has arrived."""
        self._end += nbytes
        self._process()

    def is_at_rest(self) -> bool:
        """Whether everything that has arrived is answered."""
        return not self._in_flight_count and self._end == self._start

    def eof_received(self) -> bool:
        """Close: no DISCONNECT came before, so the client died and nobody waits for answers."""
        return False

    def pause_writing(self) -> None:
        """Stop taking requests: the client does not fetch its replies."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on: the client has fetched replies."""
        self._writable = True
        self._schedule_wake()

    # ── the server's side ─────────────────────────────────────────────────────────────────────

    def abort(self) -> None:
        """Cut the connection now."""
        self._finishing = True
        self._transport.abort()

    def finish(self) -> None:
        """Take no more requests; close when all that are in flight are answered."""
        if not self._finishing:
            self._finishing = True
            self._gate.release(self)
            self._set_reading(False)
        self._close_if_finished()

    def peer_is_gone(self) -> bool:
        """Whether the client has closed its end, even if unread requests lie before the end."""
        if self._lost or self._finishing or self._transport.is_closing():
            return True
        poll = select.poll()
        poll.register(self._fd, select.POLLRDHUP)
        return bool(poll.poll(0))

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    def _process(self) -> None:
        """Take all complete messages off the buffer, send the replies that are ready."""
        self._parsing = True
        try:
            wanted = self._negotiate() if self._negotiation is not None else self._take_requests()
            self._handler.settle()
            while self._has_waiting(wanted):
                wanted = self._take_requests()
                self._handler.settle()
        except ProtocolError as error:
            _log.warning("tap %s: closed a connection: %s", self._gate.address, error)
            self._handler.settle()
            self._send_replies()  # what came before the nonsense was done and is answered
            self.abort()
            return
        except BaseException:
            self.abort()  # a fault of the handler: its client must not wait for ever
            raise
        finally:
            self._parsing = False
        self._send_replies()
        if self._finishing:
            self._close_if_finished()
            return
        self._make_room(wanted)
        self._set_reading(not self._is_full())

    def _negotiate(self) -> int:
        """Go on with the handshake; returns how many bytes must fit into the buffer."""
        assert self._negotiation is not None
        while not self._finishing:
            step = self._negotiation.step(self._payloads[self._start : self._end])
            self._start += step.consumed
            if step.answer:
                self._transport.write(step.answer)
            if step.outcome is nbd.Outcome.NEED_MORE:
                break
            if step.outcome is nbd.Outcome.CLOSE:
                self.finish()
            if step.outcome is nbd.Outcome.TRANSMIT:
                self._negotiation = None
                self._handshake_timer.cancel()
                return self._take_requests()
        return nbd.OPTION.size + nbd.OPTION_BYTES_MAX

    def _has_waiting(self, wanted: int) -> bool:
        """Whether a whole request was left in the buffer only because too many were in flight."""
        if self._negotiation is not None or self._finishing or self._is_full():
            return False
        return self._end - self._start >= wanted

    def _take_requests(self) -> int:
        """Hand complete requests on; returns the length of the one that is not complete yet.

        All that a write needs is here: every call less is felt at 20,000 of them a second.
        """
        header_bytes = nbd.REQUEST.size
        unpack = nbd.REQUEST.unpack_from
        write, complete, size_bytes = self._handler.write, self.complete, self._size_bytes
        buffer, payloads, end = self._buffer, self._payloads, self._end
        while end - self._start >= header_bytes and not self._finishing:
            if self._is_full():
                break
            start = self._start + header_bytes
            length: int
            magic, flags, command, cookie, offset, length = unpack(buffer, self._start)
            if magic != nbd.REQUEST_MAGIC:
                raise ProtocolError(f"request magic is {magic:#010x}: the client lost its place")
            if command != nbd.COMMAND_WRITE:
                self._start = start
                self._without_payload(command, flags, cookie, offset, length)
                continue
            if length > nbd.PAYLOAD_BYTES_MAX:
                most = nbd.PAYLOAD_BYTES_MAX
                raise ProtocolError(f"a write of {length} bytes; the client was told {most}")
            if end - start < length:
                return header_bytes + length
            self._start = start + length
            if error := nbd.request_error(command, flags, offset, length, size_bytes):
                self._reply(cookie, error)
                continue
            self._in_flight_count += 1
            self._in_flight_bytes += length
            self._handed_on = True
            data = payloads[start : start + length]
            write(offset, data, bool(flags & nbd.FLAG_FUA), partial(complete, cookie, length))
        return header_bytes

    def _without_payload(
        self, command: int, flags: int, cookie: int, offset: int, length: int
    ) -> None:
        if command == nbd.COMMAND_DISCONNECT:
            self.finish()
            return
        error = nbd.request_error(command, flags, offset, length, self._size_bytes)
        if error:
            self._reply(cookie, error)
        elif command == nbd.COMMAND_READ:
            self._read(cookie, offset, length)
        else:
            self._in_flight_count += 1
            done = partial(self.complete, cookie, 0)
            if command == nbd.COMMAND_FLUSH:
                self._handler.flush(done)
            else:
                self._handler.zero(offset, length, bool(flags & nbd.FLAG_FUA), done)

    def _read(self, cookie: int, offset: int, length: int) -> None:
        try:
            data = self._handler.read(offset, length)
        except OSError as error:
            self._reply(cookie, error.errno or errno.EIO)
            return
        assert len(data) == length, "a read that is short would garble every reply behind it"
        self._reply(cookie, 0)
        if length <= _JOIN_BYTES_MAX:
            self._replies.append(data)
            self._replies_bytes += length
            if self._replies_bytes > _BUFFER_BYTES:
                self._send_replies()
        else:
            header = b"".join(self._replies)
            self._replies.clear()
            self._replies_bytes = 0
            self._send_pair(header, data)

    def complete(self, cookie: int, payload_bytes: int, error: int) -> None:
        """Answer a request; its reply joins those of the same wake-up."""
        assert self._in_flight_count, "a request was completed twice"
        self._in_flight_count -= 1
        self._in_flight_bytes -= payload_bytes
        if self._lost:
            return
        self._reply(cookie, error)
        if self._parsing:
            return
        if not self._in_flight_count:
            # Nothing else can follow in this wake-up: waiting for it would only cost time.
            self._send_replies()
        self._schedule_wake()

    # ── replies and back pressure ─────────────────────────────────────────────────────────────

    def _reply(self, cookie: int, error: int) -> None:
        self._replies.append(nbd.encode_reply(cookie, error))

    def _send_replies(self) -> None:
        if self._replies:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
            self._replies_bytes = 0

    def _send_pair(self, header: bytes, data: bytes) -> None:
        """Send both without joining them, which would copy the data once more."""
        sent = 0
        if not self._transport.get_write_buffer_size() and not self._transport.is_closing():
            try:
                sent = os.writev(self._fd, (header, data))
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._transport.abort()
                return
        if sent < len(header):
            self._transport.write(header[sent:])
            sent = len(header)
        if sent < len(header) + len(data):
            self._transport.write(memoryview(data)[sent - len(header) :])

    def _is_full(self) -> bool:
        return (
            self._in_flight_count >= REQUESTS_MAX
            or self._in_flight_bytes >= PAYLOAD_BYTES_IN_FLIGHT_MAX
            or not self._writable
        )

    def _set_reading(self, reading: bool) -> None:
        if reading == self._reading or self._transport.is_closing():
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _schedule_wake(self) -> None:
        if not self._wake_scheduled and (self._replies or self._finishing or not self._reading):
            self._wake_scheduled = True
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        """Send replies that came outside a wake-up of the socket, go on where parsing stopped."""
        self._wake_scheduled = False
        if self._lost:
            return
        if self._reading or self._finishing:
            self._send_replies()
            self._close_if_finished()
        else:
            self._process()

    def _close_if_finished(self) -> None:
        if self._finishing and not self._in_flight_count and not self._transport.is_closing():
            self._send_replies()
            self._transport.close()

    def _make_room(self, wanted: int) -> None:
        """Make the message of `wanted` bytes at `_start` fit, and leave room to receive into."""
        pending = self._end - self._start
        if not pending and not self._handed_on:
            self._start = self._end = 0
        size = len(self._buffer)
        if size - self._start >= wanted and size > self._end:
            return
        received = self._payloads[self._start : self._end]
        if self._handed_on or size < max(wanted, pending) + size // 4:
            self._use(self._memory.take(max(wanted, pending) + _ROOM_BYTES))
        self._room[:pending] = received
        self._start, self._end = 0, pending

    def _use(self, buffer: bytearray | mmap) -> None:
        """Receive into this from now on."""
        self._buffer = buffer
        self._room = memoryview(buffer)
        self._payloads = self._room.toreadonly()
        self._handed_on = False

    def _handshake_late(self) -> None:
        what = "closed a connection that did not finish its handshake"
        _log.warning("tap %s: %s in %g s", self._gate.address, what, HANDSHAKE_SECONDS_MAX)
        self.abort()
