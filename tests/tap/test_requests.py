"""Requests: what is passed on, what is refused with which error, what ends the connection."""

import errno
import struct
from pathlib import Path

import pytest

from tests.tap.conftest import SIZE_BYTES
from tests.tap.file_handler import FileHandler
from tests.tap.nbd_client import (
    DISCONNECT,
    FLUSH,
    FUA,
    NO_HOLE,
    READ,
    TRIM,
    WRITE,
    ZEROES,
    open_export,
    request,
)
from tests.tap.running import HoldingHandler, RunningTap, eventually

END = SIZE_BYTES
MIB = 1 << 20


def test_writes_zeroes_trims_and_flags_arrive_as_sent(
    tap: RunningTap, handler: FileHandler, volume: Path
) -> None:
    with open_export(tap.address) as client:
        assert client.ask(WRITE, 512, 512, b"a" * 512) == 0
        assert client.ask(WRITE, 1024, 512, b"b" * 512, FUA) == 0
        assert client.ask(ZEROES, 4096, 4096) == 0
        assert client.ask(ZEROES, 8192, 512, flags=FUA | NO_HOLE) == 0
        assert client.ask(TRIM, 12288, 512, flags=FUA) == 0
        assert client.ask(FLUSH, 0, 0) == 0
        assert client.read(512, 1024) == b"a" * 512 + b"b" * 512
        assert client.ask(WRITE, END - 512, 512, b"z" * 512) == 0  # the very last sector
    assert handler.calls == [
        ("write", 512, 512, False),
        ("write", 1024, 512, True),
        ("zero", 4096, 4096, False),
        ("zero", 8192, 512, True),
        ("zero", 12288, 512, True),
        ("flush", 0, 0, False),
        ("read", 512, 1024, False),
        ("write", END - 512, 512, False),
    ]
    assert volume.read_bytes()[-512:] == b"z" * 512


@pytest.mark.parametrize(
    ("command", "offset", "length", "flags", "error"),
    [
        (READ, END, 512, 0, errno.EINVAL),
        (READ, END - 512, 1024, 0, errno.EINVAL),
        (READ, 2**64 - 512, 512, 0, errno.EINVAL),
        (READ, 0, 32 * MIB + 512, 0, errno.EINVAL),
        (READ, 0, 2**32 - 512, 0, errno.EINVAL),
        (READ, 1, 512, 0, errno.EINVAL),
        (READ, 0, 511, 0, errno.EINVAL),
        (READ, 0, 0, 0, errno.EINVAL),
        (READ, 0, 512, NO_HOLE, errno.EINVAL),
        (READ, 0, 512, 1 << 2, errno.EINVAL),
        (TRIM, END, 512, 0, errno.EINVAL),
        (TRIM, 0, 2**32 - 512, 0, errno.EINVAL),
        (TRIM, 256, 512, 0, errno.EINVAL),
        (ZEROES, END - 512, 1024, 0, errno.ENOSPC),
        (ZEROES, 0, 2**32 - 512, 0, errno.ENOSPC),
        (ZEROES, 0, 700, 0, errno.EINVAL),
        (ZEROES, 0, 512, 1 << 4, errno.EINVAL),  # FAST_ZERO was not offered
        (FLUSH, 512, 0, 0, errno.EINVAL),
        (FLUSH, 0, 512, 0, errno.EINVAL),
        (5, 0, 512, 0, errno.EINVAL),  # CACHE was not offered
        (7, 0, 512, 0, errno.EINVAL),  # BLOCK_STATUS was not offered
        (4242, 0, 0, 0, errno.EINVAL),
    ],
)
def test_a_bad_request_is_refused_and_the_next_one_works(
    tap: RunningTap,
    handler: FileHandler,
    command: int,
    offset: int,
    length: int,
    flags: int,
    error: int,
) -> None:
    with open_export(tap.address) as client:
        assert client.ask(command, offset, length, flags=flags) == error
        assert handler.calls == []
        assert client.ask(FLUSH, 0, 0) == 0


@pytest.mark.parametrize(
    ("offset", "length", "flags", "error"),
    [
        (END, 512, 0, errno.ENOSPC),
        (END - 512, 1024, 0, errno.ENOSPC),
        (2**64 - 512, 512, 0, errno.ENOSPC),
        (7, 512, 0, errno.EINVAL),
        (0, 100, 0, errno.EINVAL),
        (0, 0, 0, errno.EINVAL),
        (0, 512, NO_HOLE, errno.EINVAL),
        (END, 32 * MIB, 0, errno.ENOSPC),
    ],
)
def test_a_bad_write_is_refused_and_its_payload_skipped(
    tap: RunningTap, handler: FileHandler, offset: int, length: int, flags: int, error: int
) -> None:
    with open_export(tap.address) as client:
        assert client.ask(WRITE, offset, length, b"x" * length, flags) == error
        assert handler.calls == []
        assert client.ask(WRITE, 0, 512, b"y" * 512) == 0
        assert client.read(0, 512) == b"y" * 512


@pytest.mark.parametrize(
    "raw",
    [
        b"\0" * 28,
        request(WRITE, 0, 32 * MIB + 512),
        request(WRITE, 0, 2**32 - 512),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        struct.pack(">IHHQQI", 0x67446698, 0, READ, 1, 0, 512),
    ],
    ids=["zeros", "write-over-32-mib", "write-of-4-gib", "http", "reply-magic"],
)
def test_a_client_that_lost_its_place_is_closed_and_the_next_one_served(
    tap: RunningTap, handler: FileHandler, raw: bytes
) -> None:
    with open_export(tap.address) as client:
        client.send(raw)
        assert client.is_closed()
    assert handler.calls == []
    with open_export(tap.address) as client:
        assert client.ask(FLUSH, 0, 0) == 0


def test_a_write_cut_off_in_its_payload_is_never_applied(
    tap: RunningTap, handler: FileHandler
) -> None:
    with open_export(tap.address) as client:
        client.send(request(WRITE, 0, MIB) + b"x" * (MIB - 1))
    assert eventually(lambda: tap.server.active is None)
    assert handler.calls == []


def test_large_and_small_requests_sent_byte_by_byte_or_all_at_once(tap: RunningTap) -> None:
    with open_export(tap.address) as client:
        for byte in request(WRITE, 0, 512) + b"s" * 512:
            client.send(bytes([byte]))
        assert client.reply() == (0, 1, b"")
        sizes = [512, 3 * MIB, 4096, 512, 5 * MIB, 1024]
        client.send(
            b"".join(
                request(WRITE, 0, size, cookie=cookie) + bytes([cookie]) * size
                for cookie, size in enumerate(sizes, 10)
            )
            + request(READ, 0, 6 * MIB, cookie=99)
        )
        assert [client.reply()[:2] for _ in sizes] == [(0, 10 + n) for n in range(len(sizes))]
        error, cookie, data = client.reply(6 * MIB)
        assert (error, cookie) == (0, 99)
        assert data == bytes([15]) * 1024 + bytes([14]) * (5 * MIB - 1024) + bytes(MIB)


def test_replies_come_in_the_order_of_completion(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        for cookie in (1, 2, 3):
            client.send(request(WRITE, 512 * cookie, 512, cookie=cookie) + b"x" * 512)
        client.send(request(FLUSH, 0, 0, cookie=4) + request(READ, 512 * 9, 512, cookie=5))
        assert client.reply(512) == (0, 5, b"\x09" * 512)  # a read waits for no write
        assert [entry[0] for entry in holding.held] == ["write", "write", "write", "flush"]
        for index in (2, 0, 3, 1):
            holding_tap.call(lambda: holding.held[index][4](0))  # noqa: B023 called at once
            assert client.reply()[1] == index + 1


@pytest.mark.parametrize(
    ("given", "on_the_wire"),
    [
        (errno.EIO, errno.EIO),
        (errno.ENOSPC, errno.ENOSPC),
        (errno.EDQUOT, errno.ENOSPC),
        (errno.EROFS, errno.EPERM),
        (errno.ESHUTDOWN, errno.ESHUTDOWN),
        (errno.EBADF, errno.EIO),
    ],
)
def test_a_volume_error_becomes_an_nbd_error(
    holding_tap: RunningTap, holding: HoldingHandler, given: int, on_the_wire: int
) -> None:
    with open_export(holding_tap.address) as client:
        client.send(request(WRITE, 0, 512) + b"x" * 512)
        assert eventually(lambda: len(holding.held) == 1)
        holding_tap.call(lambda: holding.held[0][4](given))
        assert client.reply()[0] == on_the_wire


def test_a_read_error_is_answered_and_the_connection_goes_on(
    tap: RunningTap, handler: FileHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(offset: int, length: int) -> bytes:
        raise OSError(errno.EIO, f"bad sector at {offset}+{length}")

    with open_export(tap.address) as client:
        monkeypatch.setattr(handler, "read", fail)
        with pytest.raises(OSError, match="read") as caught:
            client.read(0, 512)
        assert caught.value.errno == errno.EIO
        assert client.ask(FLUSH, 0, 0) == 0


def test_disconnect_waits_for_what_is_in_flight(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        client.send(request(WRITE, 0, 512, cookie=8) + b"x" * 512 + request(DISCONNECT, 0, 0))
        assert eventually(lambda: holding_tap.server.active is None)
        holding_tap.call(lambda: holding.held[0][4](0))
        assert client.reply() == (0, 8, b"")
        assert client.is_closed()


def test_completing_a_request_twice_is_a_programmer_error(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        client.send(request(FLUSH, 0, 0))
        assert eventually(lambda: len(holding.held) == 1)
        holding_tap.call(lambda: holding.held[0][4](0))
        with pytest.raises(AssertionError, match="twice"):
            holding_tap.call(lambda: holding.held[0][4](0))
