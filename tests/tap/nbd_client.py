"""A bare NBD client for tests; every field can be wrong on purpose. Shares no code with the tap."""

import socket
import struct
from types import TracebackType
from typing import Self

READ, WRITE, DISCONNECT, FLUSH, TRIM, ZEROES = 0, 1, 2, 3, 4, 6
FUA, NO_HOLE = 1, 2
EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO, STRUCTURED_REPLY = 1, 2, 3, 5, 6, 7, 8
ACK = 1
UNSUPPORTED, POLICY, INVALID, UNKNOWN = (0x80000000 + number for number in (1, 2, 3, 6))
IHAVEOPT = 0x49484156454F5054


def connect(address: str) -> socket.socket:
    """Open a plain socket to a tap's address."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(10)
        try:
            sock.connect(address.removeprefix("unix:"))
        except OSError:
            sock.close()
            raise
        return sock
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=120)


def go_data(name: str, infos: tuple[int, ...] = ()) -> bytes:
    """Build the data of an INFO or GO option."""
    raw = name.encode()
    return struct.pack(f">I{len(raw)}sH{len(infos)}H", len(raw), raw, len(infos), *infos)


def request(command: int, offset: int, length: int, *, flags: int = 0, cookie: int = 1) -> bytes:
    """Build a request header."""
    return struct.pack(">IHHQQI", 0x25609513, flags, command, cookie, offset, length)


class NbdClient:
    """One connection. `hello()` greets, `go()` opens the export, then requests and replies."""

    def __init__(self, address: str) -> None:
        self.sock = connect(address)
        self.size_bytes = 0
        self.flags = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None
    ) -> None:
        self.sock.close()

    def take(self, count: int) -> bytes:
        """Receive exactly `count` bytes; ConnectionError at the end."""
        pieces = bytearray()
        while len(pieces) < count:
            piece = self.sock.recv(count - len(pieces))
            if not piece:
                raise ConnectionError(f"closed after {len(pieces)} of {count} bytes")
            pieces += piece
        return bytes(pieces)

    def is_closed(self) -> bool:
        """Wait until the server says something (False) or closes (True)."""
        try:
            return not self.sock.recv(1)
        except ConnectionError:
            return True

    def hello(self, flags: int = 3) -> Self:
        assert self.take(16) == b"NBDMAGICIHAVEOPT"
        assert struct.unpack(">H", self.take(2)) == (3,)
        self.sock.sendall(struct.pack(">I", flags))
        return self

    def send_option(self, option: int, data: bytes = b"") -> None:
        self.sock.sendall(struct.pack(">QII", IHAVEOPT, option, len(data)) + data)

    def option(self, option: int, data: bytes = b"") -> list[tuple[int, bytes]]:
        """Send an option; return its replies (type, data) up to the ACK or error."""
        self.send_option(option, data)
        replies = []
        while True:
            magic, echoed, kind, length = struct.unpack(">QIII", self.take(20))
            assert magic == 0x0003E889045565A9
            assert echoed == option
            replies.append((kind, self.take(length)))
            if kind == ACK or kind & 0x80000000:
                return replies

    def go(self, name: str = "db") -> Self:
        replies = self.option(GO, go_data(name))
        if replies[-1][0] != ACK:
            raise ConnectionRefusedError(replies[-1])
        for kind, data in replies[:-1]:
            if kind == 3 and data[:2] == b"\0\0":
                self.size_bytes, self.flags = struct.unpack(">QH", data[2:])
        return self

    def send(self, raw: bytes) -> None:
        self.sock.sendall(raw)

    def reply(self, data_length: int = 0) -> tuple[int, int, bytes]:
        """Receive a reply: error, cookie and, if it succeeded, its data."""
        magic, error, cookie = struct.unpack(">IIQ", self.take(16))
        assert magic == 0x67446698
        return error, cookie, b"" if error else self.take(data_length)

    def ask(self, command: int, offset: int, length: int, data: bytes = b"", flags: int = 0) -> int:
        """Send one request without read data; return its error."""
        self.send(request(command, offset, length, flags=flags) + data)
        return self.reply()[0]

    def read(self, offset: int, length: int) -> bytes:
        self.send(request(READ, offset, length))
        error, _, data = self.reply(length)
        if error:
            raise OSError(error, "read")
        return data


def open_export(address: str) -> NbdClient:
    """Connect and open the export."""
    client = NbdClient(address)
    try:
        return client.hello().go()
    except BaseException:
        client.sock.close()
        raise
