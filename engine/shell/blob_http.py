"""Kept-alive HTTP/1.1 connections of our own: one request, one answer, no retry.

Lean on purpose: at 4 KiB a request costs more in a general HTTP library than on the wire. There
are three ways an exchange can end, and callers depend on telling them apart (facts.md 2):

- a `Response`: head and body arrived whole;
- `NotSent`: no connection was made, so not one byte of the request left this machine;
- `NoAnswer`: something was sent and no whole answer came: the request may be applied, even later.
"""

import re
import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.errors import StoreUnavailable

if TYPE_CHECKING:
    import ssl

Buffer = bytes | memoryview

IDLE_SECONDS_MAX: Final = 4.0
"""Azurite cuts connections idle for 6 to 8 s (facts.md 0): older ones are dropped before use."""

_IDLE_CONNECTIONS_MAX: Final = 32
_HEAD_BYTES_MAX: Final = 64 * 1024
_BODY_BYTES_MAX: Final = 64 * 1024 * 1024
_RECEIVE_BYTES: Final = 64 * 1024
_PIECES_MAX: Final = 512
"""Buffers in one sendmsg; Linux takes 1024 (IOV_MAX)."""
_LAST_WORDS_SECONDS: Final = 1.0
"""How long a service that stopped reading our request may take to say why."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")


class NotSent(StoreUnavailable):
    """No connection could be made: the request certainly was not sent."""


class NoAnswer(StoreUnavailable):
    """The request, or part of it, was sent, and no whole answer came: its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds: for making a connection, and for the whole exchange on it."""

    connect_seconds: float = 2.0
    answer_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the blob service listens."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Broken(Exception):
    """The connection ended, or what came is no HTTP answer."""


class _Connection:
    """One TCP (or TLS) connection; used by one thread at a time."""

    def __init__(
        self, endpoint: Endpoint, timeouts: Timeouts, tls: "ssl.SSLContext | None"
    ) -> None:
        self._timeouts = timeouts
        self._received = bytearray()
        self._tls = tls is not None
        self.reusable = True
        self.idle_since = 0.0
        raw = socket.create_connection((endpoint.host, endpoint.port), timeouts.connect_seconds)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = tls.wrap_socket(raw, server_hostname=endpoint.host) if tls else raw
        except BaseException:
            raw.close()
            raise

    def close(self) -> None:
        """Drop the connection; what is in flight on it stays unknown."""
        self._socket.close()

    def is_fresh(self) -> bool:
        """Whether it was idle for less than 4 s and the service has not closed it meanwhile."""
        if time.monotonic() - self.idle_since > IDLE_SECONDS_MAX:
            return False
        poller = select.poll()
        poller.register(self._socket, select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poller.poll(0)

    def exchange(self, head: bytes, body: Sequence[Buffer], *, bodiless: bool) -> Response:
        """Send one request and receive its answer; `bodiless`: the answer has no body (HEAD)."""
        deadline = time.monotonic() + self._timeouts.answer_seconds
        self.reusable = False
        try:
            self._send([head, *body], deadline)
        except OSError as error:
            return self._last_words(error, bodiless=bodiless)
        try:
            return self._receive(deadline, bodiless=bodiless)
        except (OSError, _Broken) as error:
            raise NoAnswer(
                f"no whole answer after the request was sent: {_reason(error)}"
            ) from None

    def _last_words(self, error: OSError, *, bodiless: bool) -> Response:
        """A service may refuse before it has read the body, and close: hear the refusal."""
        try:
            response = self._receive(time.monotonic() + _LAST_WORDS_SECONDS, bodiless=bodiless)
        except (OSError, _Broken):
            response = None
        self.reusable = False
        if response is None or response.status < 400:
            message = f"the connection broke while the request was sent: {_reason(error)}"
            raise NoAnswer(message) from None
        return response

    def _send(self, pieces: Sequence[Buffer], deadline: float) -> None:
        if self._tls:  # an SSL socket has no sendmsg
            for piece in pieces:
                self._arm(deadline)
                self._socket.sendall(piece)
            return
        views = [memoryview(piece) for piece in pieces]
        first = 0
        while first < len(views):
            self._arm(deadline)
            sent = self._socket.sendmsg(views[first : first + _PIECES_MAX])
            while first < len(views) and sent >= len(views[first]):
                sent -= len(views[first])
                first += 1
            if sent:
                views[first] = views[first][sent:]

    def _receive(self, deadline: float, *, bodiless: bool) -> Response:
        while True:
            minor, status, headers = _parse_head(self._take_head(deadline))
            if status >= 200:  # 1xx answers only announce the real one
                break
        close = minor == "0" or "close" in headers.get("connection", "").lower()
        if bodiless or status in {204, 304}:
            body = b""
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise _Broken("its transfer encoding is not known")
            body = self._take_chunks(deadline)
        elif "content-length" in headers:
            body = self._take(_length(headers["content-length"]), deadline)
        else:
            raise _Broken("it does not say how long it is")
        self.reusable = not close and not self._received
        return Response(status, headers, body)

    def _take_head(self, deadline: float) -> bytes:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if len(self._received) > _HEAD_BYTES_MAX:
                raise _Broken("its head is too long")
            self._fill(deadline)
        head = bytes(self._received[:end])
        del self._received[: end + 4]
        return head

    def _take_chunks(self, deadline: float) -> bytes:
        body = bytearray()
        while True:
            size = self._take_line(deadline).split(b";")[0].strip()
            if not _HEX.fullmatch(size):
                raise _Broken("a chunk's size is not a number")
            length = int(size, 16)
            if len(body) + length > _BODY_BYTES_MAX:
                raise _Broken("it is too long")
            if length == 0:
                break
            body += self._take(length, deadline)
            if self._take_line(deadline):
                raise _Broken("a chunk is longer than it says")
        while self._take_line(deadline):
            pass  # trailers say nothing we use
        return bytes(body)

    def _take_line(self, deadline: float) -> bytes:
        while (end := self._received.find(b"\r\n")) < 0:
            if len(self._received) > _HEAD_BYTES_MAX:
                raise _Broken("a line is too long")
            self._fill(deadline)
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        return line

    def _take(self, length: int, deadline: float) -> bytes:
        if length > _BODY_BYTES_MAX:
            raise _Broken("it is too long")
        if length <= len(self._received):
            body = bytes(self._received[:length])
            del self._received[:length]
            return body
        whole = bytearray(length)
        view = memoryview(whole)
        filled = len(self._received)
        view[:filled] = self._received
        self._received.clear()
        while filled < length:
            self._arm(deadline)
            count = self._socket.recv_into(view[filled:])
            if not count:
                raise _Broken("the service closed the connection in the middle of it")
            filled += count
        view.release()
        return bytes(whole)

    def _fill(self, deadline: float) -> None:
        self._arm(deadline)
        data = self._socket.recv(_RECEIVE_BYTES)
        if not data:
            raise _Broken("the service closed the connection")
        self._received += data

    def _arm(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._socket.settimeout(remaining)


def _parse_head(head: bytes) -> tuple[str, int, dict[str, str]]:
    lines = head.split(b"\r\n")
    status = _STATUS_LINE.fullmatch(lines[0])
    if status is None:
        raise _Broken("it does not begin like an HTTP answer")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise _Broken("a header line has no name")
        key = name.lower()
        text = value.strip()
        if key == "content-length" and headers.get(key, text) != text:
            raise _Broken("it says two different lengths")
        headers[key] = text
    return status[1].decode(), int(status[2]), headers


def _length(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise _Broken("its length is not a number")
    return int(text)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "time-out"
    return str(error) or type(error).__name__


class ConnectionPool:
    """Connections to one endpoint: a thread takes one and gives it back; the freshest first."""

    def __init__(self, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self.endpoint = endpoint
        self.timeouts = timeouts
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._tls_context: ssl.SSLContext | None = None
        self._closed = False

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: Sequence[Buffer] = ()
    ) -> Response:
        """Send one request; raise NotSent or NoAnswer. Redirects are answers like any other."""
        head = _encode_head(method, target, headers, self.endpoint)
        connection = self._take()
        try:
            return connection.exchange(head, body, bodiless=method == "HEAD")
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close every idle connection; those in use are closed when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> _Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            if connection.is_fresh():
                return connection
            connection.close()

    def _give_back(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            keep = connection.reusable and not self._closed
            if keep and len(self._idle) < _IDLE_CONNECTIONS_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> _Connection:
        try:
            return _Connection(self.endpoint, self.timeouts, self._context())
        except OSError as error:  # ssl.SSLError and socket.gaierror are OSErrors
            raise NotSent(
                f"The blob service at {self.endpoint} cannot be reached ({_reason(error)}): "
                "nothing was sent. Check that it runs and that its address is right."
            ) from None

    def _context(self) -> "ssl.SSLContext | None":
        if not self.endpoint.tls:
            return None
        with self._lock:
            if self._tls_context is None:
                import ssl  # a plain-text service need not pay for it

                self._tls_context = ssl.create_default_context()
            return self._tls_context


def _encode_head(method: str, target: str, headers: Mapping[str, str], endpoint: Endpoint) -> bytes:
    default_port = 443 if endpoint.tls else 80
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    if endpoint.port != default_port:
        host = f"{host}:{endpoint.port}"
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join(lines)
    # One stray line end in a value would smuggle a header, or a second request, past the signature.
    if text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1:
        raise ValueError("a header value holds a line end")
    return f"{text}\r\n\r\n".encode("latin-1")
