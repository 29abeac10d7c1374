"""However a stream of requests is cut into pieces, its effects and its answers are the same.

The connection is driven without a socket and with a small buffer, so that requests straddle its
end, are moved to its front and make it grow.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.shell import tap_connection, tap_memory
from engine.shell.tap_connection import Connection
from engine.shell.tap_handler import Payload
from engine.shell.tap_memory import TapMemory
from tests.tap.nbd_client import FLUSH, READ, TRIM, WRITE, ZEROES, request

SIZE_BYTES = 64 * 512
BUFFER_BYTES = 1024


class Memory:
    """A volume in memory."""

    name = "db"
    size_bytes = SIZE_BYTES

    def __init__(self) -> None:
        self.content = bytearray(SIZE_BYTES)
        self.kept: list[tuple[Payload, bytes]] = []

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.content[offset : offset + length])

    def write(self, offset: int, data: Payload, fua: bool, done: Callable[[int], None]) -> None:
        self.kept.append((data, bytes(data)))
        self.content[offset : offset + len(data)] = data
        done(0)

    def zero(self, offset: int, length: int, fua: bool, done: Callable[[int], None]) -> None:
        self.content[offset : offset + length] = bytes(length)
        done(0)

    def flush(self, done: Callable[[int], None]) -> None:
        done(0)

    def settle(self) -> None:
        """Everything was done at once."""


class Recorder(asyncio.Transport):
    """Keeps what is written to it; everything else is accepted and ignored."""

    def __init__(self) -> None:
        super().__init__({"socket": self})
        self.written = b""
        self.closed = False

    def fileno(self) -> int:
        return -1

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class OpenGate:
    """Lets everybody in."""

    address = "nowhere"

    def __init__(self) -> None:
        self.handler = Memory()
        self.memory = TapMemory()

    def joined(self, connection: Connection) -> bool:
        return True

    def admit(self, connection: Connection) -> bool:
        return True

    def release(self, connection: Connection) -> None:
        pass

    def left(self, connection: Connection) -> None:
        pass


async def converse(raw: bytes, cuts: list[int]) -> tuple[bytes, bytes, bool]:
    """Feed `raw` in pieces; what was answered, the volume's content, and whether it was cut off."""
    gate, transport = OpenGate(), Recorder()
    connection = Connection(gate)
    connection._negotiation = None
    connection.connection_made(transport)
    bounds = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    for start, end in pairwise(bounds):
        piece = memoryview(raw)[start:end]
        while piece and not transport.closed:
            room = connection.get_buffer(-1)
            assert len(room) > 0, "the loop takes an empty buffer for an error"
            count = min(len(room), len(piece))
            room[:count] = piece[:count]
            connection.buffer_updated(count)
            piece = piece[count:]
    connection.connection_lost(None)
    assert all(data == before for data, before in gate.handler.kept), "what is kept has changed"
    return transport.written, bytes(gate.handler.content), transport.closed


sectors = st.integers(0, 70).map(lambda sector: sector * 512)
"""Some lie past the end."""


def write(offset: int, length: int, fill: int) -> bytes:
    return request(WRITE, offset, length, cookie=fill) + bytes([fill]) * length


stream = st.lists(
    st.one_of(
        st.builds(
            write, sectors, st.sampled_from([0, 512, 1024, 4096, 8192, 700]), st.integers(1, 255)
        ),
        st.builds(request, st.sampled_from([READ, ZEROES, TRIM, FLUSH, 9]), sectors, sectors),
        st.binary(max_size=3),
    ),
    max_size=12,
).map(b"".join)


@pytest.fixture(autouse=True, scope="module")
def small_buffer() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tap_connection, "_BUFFER_BYTES", BUFFER_BYTES)
        patch.setattr(tap_connection, "_ROOM_BYTES", BUFFER_BYTES // 4)
        patch.setattr(tap_memory, "CHUNK_BYTES", 4 * BUFFER_BYTES)
        yield


@given(stream, st.lists(st.integers(0, 50_000), max_size=8))
def test_how_requests_are_cut_into_pieces_changes_nothing(raw: bytes, cuts: list[int]) -> None:
    async def both() -> None:
        assert await converse(raw, cuts) == await converse(raw, [])

    asyncio.run(both())


def test_writes_larger_than_the_buffer_arrive_whole() -> None:
    raw = write(0, 8192, 3) + write(8192, 512, 4) + write(512, 16384, 5)
    answers, content, cut_off = asyncio.run(converse(raw, [5, 700, 9000]))
    assert not cut_off
    assert len(answers) == 18 + 3 * 16  # the greeting, then a reply each
    assert content == b"\3" * 512 + b"\5" * 16384 + bytes(SIZE_BYTES - 16896)
