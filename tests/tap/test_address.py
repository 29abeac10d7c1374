"""Where a tap may listen, and what it says where it may not."""

import socket
import stat
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.shell.tap_address import open_listener
from tests.tap.nbd_client import FLUSH, open_export
from tests.tap.running import HoldingHandler, RunningTap


@pytest.mark.parametrize(
    ("address", "shown"),
    [("127.0.0.1:0", "127.0.0.1:"), ("localhost:0", "127.0.0.1:"), ("[::1]:0", "[::1]:")],
)
def test_tcp_addresses_name_the_real_port(address: str, shown: str) -> None:
    listener = open_listener(address)
    port = listener.sock.getsockname()[1]
    listener.sock.close()
    assert port > 0
    assert listener.address == f"{shown}{port}"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("0.0.0.0:10809", "loopback"),
        ("192.0.2.1:10809", "loopback"),
        ("example.test:10809", "loopback"),
        (":10809", "loopback"),
        ("127.0.0.1", "neither"),
        ("127.0.0.1:nbd", "neither"),
        ("127.0.0.1:65536", "neither"),
        ("", "neither"),
        ("unix:tap.sock", "absolute"),
        ("unix:/no/such/folder/tap.sock", "No such file"),
        ("unix:/tmp/" + "x" * 120, "too long"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        open_listener(address)


def test_a_taken_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match="another process listens there"):
            open_listener(address)


def test_a_socket_file_that_somebody_listens_on_is_left_alone(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/t.sock"
    tap = RunningTap(HoldingHandler(4096), address)
    try:
        with pytest.raises(ConfigurationError, match="another process listens there"):
            open_listener(address)
        with open_export(address):
            pass
    finally:
        tap.stop()


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "t.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    tap = RunningTap(HoldingHandler(4096), f"unix:{path}")
    try:
        with open_export(tap.address) as client:
            assert client.size_bytes == 4096
    finally:
        tap.stop()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(ConfigurationError, match="no socket"):
        open_listener(f"unix:{path}")
    assert path.read_text() == "data"


def test_the_socket_file_is_private_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "t.sock"
    tap = RunningTap(HoldingHandler(4096), f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    tap.stop()
    assert not path.exists()


def test_a_successors_socket_file_outlives_the_server(tmp_path: Path) -> None:
    path = tmp_path / "t.sock"
    tap = RunningTap(HoldingHandler(4096), f"unix:{path}")
    path.rename(tmp_path / "old.sock")
    path.write_text("the successor's")
    tap.stop()
    assert path.exists()


def test_a_tap_works_over_tcp_too() -> None:
    tap = RunningTap(HoldingHandler(4096), "127.0.0.1:0")
    try:
        with open_export(tap.address) as client:
            assert client.read(512, 512) == b"\1" * 512
            assert client.ask(FLUSH, 1, 0) != 0
    finally:
        tap.stop()
