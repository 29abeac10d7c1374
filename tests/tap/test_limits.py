"""Back pressure, one client at a time, clients that die, and the end of the server."""

import errno
import random
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from engine.errors import VolumeError
from engine.shell import tap_connection
from engine.shell.tap import CONNECTIONS_MAX
from engine.shell.tap_memory import CHUNK_BYTES, CHUNKS_KEPT, LOOKED_AT_MAX
from tests.tap import nbd_client
from tests.tap.conftest import SIZE_BYTES
from tests.tap.file_handler import FileHandler
from tests.tap.nbd_client import (
    FLUSH,
    READ,
    WRITE,
    NbdClient,
    connect,
    go_data,
    open_export,
    request,
)
from tests.tap.running import HoldingHandler, RunningTap, eventually

MIB = 1 << 20


def settled(holding: HoldingHandler, least: int) -> int:
    """Wait until so many requests are there and, for a while, no more arrive; how many did."""
    assert eventually(lambda: len(holding.held) >= least)
    count = -1
    while count != len(holding.held):
        count = len(holding.held)
        time.sleep(0.1)
    return count


def send_in_background(client: NbdClient, raw: bytes) -> threading.Thread:
    """Send what the server may not want to receive yet."""
    thread = threading.Thread(target=client.send, args=(raw,), daemon=True)
    thread.start()
    return thread


def complete_all(tap: RunningTap, holding: HoldingHandler) -> int:
    """Complete what is held; how many requests that were."""

    def complete() -> int:
        held, holding.held = holding.held, []
        for *_, done in held:
            done(0)
        return len(held)

    return tap.call(complete)


def test_no_more_than_128_requests_are_taken_before_answers_go_out(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        count = 1000
        sender = send_in_background(
            client, b"".join(request(WRITE, 0, 512, cookie=n) + bytes(512) for n in range(count))
        )
        assert settled(holding, 128) == tap_connection.REQUESTS_MAX == 128
        answered: set[int] = set()
        while len(answered) < count:
            assert eventually(lambda: bool(holding.held))
            assert len(holding.held) <= 128
            for _ in range(complete_all(holding_tap, holding)):
                answered.add(client.reply()[1])
        assert answered == set(range(count))
        sender.join(120)


def test_no_more_than_64_mib_of_payload_are_taken_before_answers_go_out(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        big = request(WRITE, 0, 16 * MIB) + bytes(16 * MIB)
        sender = send_in_background(client, big * 6)
        assert eventually(lambda: holding.bytes_held >= 64 * MIB)
        assert settled(holding, 4) == 4
        complete_all(holding_tap, holding)
        assert [client.reply()[0] for _ in range(4)] == [0] * 4
        assert eventually(lambda: len(holding.held) == 2)
        sender.join(120)


def test_reads_whose_replies_are_not_fetched_are_not_carried_out(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        client.send(b"".join(request(READ, 512 * n, MIB, cookie=n) for n in range(100)))
        assert eventually(lambda: holding.reads > 0)
        time.sleep(0.2)
        assert holding.reads <= 4
        for n in range(100):
            assert client.reply(MIB) == (0, n, bytes([n]) * MIB)


def test_small_reads_whose_replies_are_not_fetched_are_not_carried_out(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        count = 8000
        sender = send_in_background(
            client, b"".join(request(READ, 0, 4096, cookie=n) for n in range(count))
        )
        assert eventually(lambda: holding.reads > 0)
        time.sleep(0.4)
        assert holding.reads < 1000
        assert [client.reply(4096)[1] for _ in range(count)] == list(range(count))
        sender.join(120)


def test_a_second_client_is_refused_while_one_is_connected_then_accepted(
    tap: RunningTap, caplog: pytest.LogCaptureFixture
) -> None:
    with open_export(tap.address) as first, NbdClient(tap.address) as second:
        reply = second.hello().option(nbd_client.GO, go_data("db"))
        assert reply[-1][0] == nbd_client.POLICY
        assert "refused a second client" in caplog.text
        assert second.option(nbd_client.INFO, go_data("db"))[-1][0] == nbd_client.ACK
        with NbdClient(tap.address) as old:
            old.hello().send_option(nbd_client.EXPORT_NAME, b"db")
            assert old.is_closed()
        assert first.ask(FLUSH, 0, 0) == 0
        first.sock.close()
        second.go()
        assert second.ask(FLUSH, 0, 0) == 0


def test_clients_may_come_and_go_quickly(tap: RunningTap) -> None:
    for index in range(200):
        with open_export(tap.address) as client:
            if index % 2:
                client.send(request(nbd_client.DISCONNECT, 0, 0))
    assert eventually(lambda: tap.server.active is None)


def test_a_client_that_died_behind_back_pressure_does_not_block_the_next_one(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        client.send(b"".join(request(WRITE, 0, 512) + bytes(512) for _ in range(200)))
        assert settled(holding, 128) == 128
    with open_export(holding_tap.address) as client:
        complete_all(holding_tap, holding)  # nobody is there to hear it
        client.send(request(FLUSH, 0, 0, cookie=77))
        assert eventually(lambda: len(holding.held) == 1)
        complete_all(holding_tap, holding)
        assert client.reply() == (0, 77, b"")


def test_what_is_in_flight_when_the_client_dies_completes_in_silence(
    holding_tap: RunningTap, holding: HoldingHandler, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_export(holding_tap.address)
    client.send((request(WRITE, 0, 512) + bytes(512)) * 20 + request(FLUSH, 0, 0))
    assert eventually(lambda: len(holding.held) == 21)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
    assert eventually(lambda: holding_tap.server.active is None)
    complete_all(holding_tap, holding)
    assert caplog.text == ""
    with open_export(holding_tap.address) as another:
        assert another.size_bytes == holding.size_bytes


def test_connections_that_say_nothing_are_limited(tap: RunningTap) -> None:
    idle = [connect(tap.address) for _ in range(CONNECTIONS_MAX)]
    try:
        assert all(len(sock.recv(18)) == 18 for sock in idle)
        with NbdClient(tap.address) as surplus:
            assert surplus.is_closed()
        idle.pop().close()
        assert eventually(lambda: _is_served(tap.address))
    finally:
        for sock in idle:
            sock.close()


def test_out_of_descriptors_a_client_waits_and_nothing_spins(
    tap: RunningTap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[float] = []

    def refuse(_sock: socket.socket) -> tuple[socket.socket, object]:
        refused.append(time.monotonic())
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("engine.shell.tap.ACCEPT_PAUSE_SECONDS", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "accept", refuse)
        client = NbdClient(tap.address)
        assert eventually(lambda: len(refused) >= 2)
    with client:
        client.hello().go()
        assert client.ask(FLUSH, 0, 0) == 0
    assert refused[1] - refused[0] >= 0.1
    assert "cannot accept a client: Too many open files" in caplog.text


def _listens(address: str) -> bool:
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def _is_served(address: str) -> bool:
    try:
        with open_export(address):
            return True
    except ConnectionError:
        return False


def test_drain_answers_what_is_in_flight_and_takes_nothing_more(
    holding_tap: RunningTap, holding: HoldingHandler
) -> None:
    with open_export(holding_tap.address) as client:
        client.send(request(WRITE, 0, 512, cookie=3) + bytes(512))
        assert eventually(lambda: len(holding.held) == 1)
        drain = threading.Thread(target=holding_tap.drain)
        drain.start()
        assert eventually(lambda: not _listens(holding_tap.address))
        client.send(request(WRITE, 0, 512, cookie=4) + bytes(512))
        assert drain.is_alive()
        assert settled(holding, 1) == 1
        complete_all(holding_tap, holding)
        assert client.reply() == (0, 3, b"")
        assert client.is_closed()
        drain.join(120)
        assert not drain.is_alive()


def test_close_cuts_everybody_off(tap: RunningTap) -> None:
    with open_export(tap.address) as client, NbdClient(tap.address) as idle:
        tap.call(tap.server.close)
        assert client.is_closed()
        assert eventually(idle.is_closed)  # with or without a greeting: it may have come too late
        assert not _listens(tap.address)


def test_a_fault_of_the_handler_costs_its_client_the_connection_and_is_reported(
    handler: FileHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_done: object) -> None:
        raise ZeroDivisionError

    tap = RunningTap(handler, f"unix:{tmp_path}/f.sock")
    try:
        with open_export(tap.address) as client, monkeypatch.context() as patch:
            patch.setattr(handler, "flush", fail)
            client.send(request(FLUSH, 0, 0))
            assert client.is_closed()
        assert [type(fault["exception"]) for fault in tap.faults] == [ZeroDivisionError]
        with open_export(tap.address) as client:
            assert client.ask(FLUSH, 0, 0) == 0
    finally:
        tap.stop()


def test_a_fault_of_the_handler_behind_back_pressure_does_the_same(
    holding: HoldingHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_done: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(holding, "flush", fail)
    tap = RunningTap(holding, f"unix:{tmp_path}/f.sock")
    try:
        with open_export(tap.address) as client:
            client.send((request(WRITE, 0, 512) + bytes(512)) * 128 + request(FLUSH, 0, 0))
            assert settled(holding, 128) == 128
            complete_all(tap, holding)
            client.take(128 * 16)
            assert client.is_closed()
        assert [type(fault["exception"]) for fault in tap.faults] == [ZeroDivisionError]
    finally:
        tap.stop()


@pytest.mark.parametrize("size_bytes", [0, 511, 513])
def test_a_volume_of_no_whole_sectors_is_not_served(tmp_path: Path, size_bytes: int) -> None:
    with pytest.raises(VolumeError, match=f"'db' has {size_bytes} bytes"):
        RunningTap(HoldingHandler(size_bytes), f"unix:{tmp_path}/v.sock")


def test_random_garbage_after_the_handshake_never_reaches_the_volume(
    tap: RunningTap, handler: FileHandler
) -> None:
    dice = random.Random(20)
    for _ in range(150):
        raw = bytearray(b"".join(request(dice.choice([0, 3, 4, 6]), 0, 512) for _ in range(8)))
        for _ in range(dice.randint(1, 12)):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        with open_export(tap.address) as client:
            client.send(bytes(raw))
        assert eventually(lambda: tap.server.active is None)
    for kind, offset, length, _ in handler.calls:
        assert kind == "flush" or length > 0
        assert offset % 512 == length % 512 == 0
        assert offset + length <= SIZE_BYTES
    with open_export(tap.address) as client:
        assert client.ask(FLUSH, 0, 0) == 0


def test_clients_that_left_keep_no_memory(tap: RunningTap) -> None:
    for _ in range(3 * LOOKED_AT_MAX):
        with open_export(tap.address) as client:
            assert client.ask(WRITE, 0, MIB, bytes(MIB)) == 0
        assert eventually(lambda: tap.server.active is None)
    assert tap.server.memory.held_bytes <= CHUNKS_KEPT * CHUNK_BYTES
