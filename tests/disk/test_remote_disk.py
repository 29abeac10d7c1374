"""A disk behind a URL: what a refusal, a dead service and a service that dies mean."""

import http.client
import socket
from pathlib import Path

import pytest

from harness.disk.remote_disk import RemoteDisk
from harness.disk.source import Extent, open_disk
from harness.errors import Inconclusive, UsageError
from tests.disk import range_server
from tests.disk.disks import MIB, noise, write_disk
from tests.disk.range_server import serve

SIZE = 20 * MIB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_disk(tmp_path / "disk.vhd", SIZE, {MIB: noise(MIB)})


def test_reads_length_kind_bytes_and_extents(path: Path) -> None:
    with serve(path) as served:
        disk = open_disk(served.url)
        assert (disk.length, disk.kind, disk.is_remote) == (SIZE + 512, "PageBlob", True)
        assert disk.read(MIB, MIB) == noise(MIB)
        assert disk.read(5, 0) == b""
        assert disk.extents() == [Extent(MIB, MIB), Extent(SIZE, 512)]
        disk.check_unchanged()
        disk.close()


def test_a_plain_server_of_ranges_is_one_extent(path: Path) -> None:
    with serve(path) as served:
        served.blob_type = None
        disk = RemoteDisk(served.url)
        assert disk.kind == "http"
        assert disk.extents() == [Extent(0, SIZE + 512)]
        disk.close()


def test_a_connection_that_was_cut_while_idle_is_opened_again(path: Path) -> None:
    with serve(path) as served:
        disk = RemoteDisk(served.url)
        served.fault = range_server.drops_each_idle_connection
        for _ in range(3):
            assert disk.read(MIB, 512) == noise(MIB)[:512]
        disk.close()


@pytest.mark.parametrize("status", [302, 401, 403, 404, 409])
def test_a_refusal_is_the_users_to_mend(path: Path, status: int) -> None:
    with serve(path) as served:
        served.fault = range_server.status(status)
        with pytest.raises(UsageError, match=f"HTTP {status}") as caught:
            RemoteDisk(served.url)
        assert "Zm9yLXRlc3" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 503])
def test_a_service_in_trouble_is_inconclusive(path: Path, status: int) -> None:
    with serve(path) as served:
        served.fault = range_server.status(status)
        with pytest.raises(Inconclusive, match="says nothing about the disk"):
            RemoteDisk(served.url)


def test_a_service_that_is_down_is_inconclusive() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/c/b.vhd?sig=Zm9yLXRlc3RzLW9ubHk%3D"
        with pytest.raises(Inconclusive, match="ConnectionRefused") as caught:
            RemoteDisk(url)
        assert "Zm9yLXRlc3" not in str(caught.value)


def test_bodies_cut_short_are_inconclusive(path: Path) -> None:
    with serve(path) as served:
        disk = RemoteDisk(served.url)
        served.fault = range_server.cuts_bodies
        with pytest.raises(Inconclusive, match="IncompleteRead"):
            disk.read(0, 512)
        disk.close()


def test_a_page_list_that_fails_is_told_apart_too(path: Path) -> None:
    with serve(path) as served:
        disk = RemoteDisk(served.url)
        served.fault = range_server.status(403)
        with pytest.raises(UsageError, match="page ranges: HTTP 403"):
            disk.extents()
        served.fault = range_server.status(503)
        with pytest.raises(Inconclusive, match="page ranges: HTTP 503"):
            disk.extents()
        served.fault = range_server.dies_after(0)
        with pytest.raises(Inconclusive, match="page ranges"):
            disk.extents()
        disk.close()


def test_a_blob_that_changes_length_or_goes_away_is_inconclusive(path: Path) -> None:
    with serve(path) as served:
        disk = RemoteDisk(served.url)
        with path.open("r+b") as file:
            file.truncate(MIB)
        with pytest.raises(Inconclusive, match="changed under the proof"):
            disk.check_unchanged()
        served.fault = range_server.status(404)
        with pytest.raises(Inconclusive, match="could be read before"):
            disk.check_unchanged()
        disk.close()


def test_a_closed_disk_reads_no_more(path: Path) -> None:
    with serve(path) as served:
        disk = RemoteDisk(served.url)
        disk.close()
        with pytest.raises(Inconclusive, match="closed"):
            disk.read(0, 512)


def test_a_connection_that_comes_to_be_while_the_disk_is_closed_is_not_waited_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(path) as served:
        disk = RemoteDisk(served.url)
        before = len(served.requests)

        class ClosedMeanwhile(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                disk.close()

        fresh = ClosedMeanwhile(served.url.split("/")[2])
        monkeypatch.setattr(disk, "_connect", lambda: fresh)
        monkeypatch.setattr("harness.disk.remote_disk.IDLE_S_MAX", 0.0)
        with pytest.raises(Inconclusive, match="ConnectionAborted"):
            disk.read(0, 512)
        assert fresh.sock is None
        assert len(served.requests) == before


def test_a_url_without_a_host_is_refused() -> None:
    with pytest.raises(UsageError, match="names no host"):
        RemoteDisk("http:///c/b.vhd")
