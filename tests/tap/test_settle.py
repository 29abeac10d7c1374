"""A volume that completes a burst at its end: every reply comes, however many there are."""

import struct
from collections.abc import Callable
from pathlib import Path

from engine.shell import tap_connection
from engine.shell.tap_handler import Payload
from tests.tap.nbd_client import FLUSH, WRITE, open_export, request
from tests.tap.running import RunningTap

Done = Callable[[int], None]


class SettlingHandler:
    """Completes everything when it is told that the burst is over, and not before."""

    name = "db"
    size_bytes = 1 << 20

    def __init__(self) -> None:
        self.waiting: list[Done] = []
        self.bursts: list[int] = []

    def read(self, offset: int, length: int) -> bytes:
        return bytes(length)

    def write(self, offset: int, data: Payload, fua: bool, done: Done) -> None:
        self.waiting.append(done)

    def zero(self, offset: int, length: int, fua: bool, done: Done) -> None:
        self.waiting.append(done)

    def flush(self, done: Done) -> None:
        self.waiting.append(done)

    def settle(self) -> None:
        waiting, self.waiting = self.waiting, []
        if waiting:
            self.bursts.append(len(waiting))
        for done in waiting:
            done(0)


def test_more_requests_than_may_be_in_flight_are_all_answered_in_order(tmp_path: Path) -> None:
    handler = SettlingHandler()
    tap = RunningTap(handler, f"unix:{tmp_path}/tap.sock")
    count = 3 * tap_connection.REQUESTS_MAX + 5
    try:
        with open_export(tap.address) as client:
            client.send(b"".join(request(FLUSH, 0, 0, cookie=n) for n in range(count)))
            # Nothing follows that could wake the tap again: whoever waits for that, waits for ever.
            assert [client.reply()[:2] for _ in range(count)] == [(0, n) for n in range(count)]
    finally:
        tap.stop()
    assert tap.faults == []
    assert sum(handler.bursts) == count
    assert max(handler.bursts) <= tap_connection.REQUESTS_MAX


def test_what_came_before_nonsense_is_answered(tmp_path: Path) -> None:
    tap = RunningTap(SettlingHandler(), f"unix:{tmp_path}/tap.sock")
    try:
        with open_export(tap.address) as client:
            good = request(WRITE, 0, 512, cookie=7) + bytes(512)
            client.send(good + struct.pack(">IHHQQI", 0xBAD, 0, WRITE, 8, 0, 0))
            assert client.reply()[:2] == (0, 7)
            assert client.is_closed()
    finally:
        tap.stop()
    assert tap.faults == []
