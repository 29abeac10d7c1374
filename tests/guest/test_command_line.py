"""QEMU's command line: what is on it, and above all what is not."""

import os
from pathlib import Path

import pytest

from harness.errors import Inconclusive, MountproofError, UsageError
from harness.guest.build import GuestImages
from harness.guest.disks import extents_disk, nbd_disk, raw_file_disk, recovery_disk
from harness.guest.ledger import LedgerRecord
from harness.guest.qemu_command import (
    GuestPlan,
    command_line,
    kernel_command_line,
    public_configuration,
    secret_configuration,
)
from harness.guest.vm import GuestLine
from tests.guest.conftest import StartGuest

MIB = 1 << 20
SIGNATURE = "c2lnbmF0dXJlLW9mLWEtdGVzdA%3D%3D"
BLOB = "http://127.0.0.1:9/account/dr/db.vhd"
URL = f"{BLOB}?sp=r&se=2030-01-01T00%3A00%3A00Z&sig={SIGNATURE}"
NOWHERE = GuestImages(Path("/k"), Path("/i"), "6.1")


def plan(disks: list[object], **options: str | int) -> GuestPlan:
    return GuestPlan(NOWHERE, "prove", options, disks, Path("/log"))  # type: ignore[arg-type]


def test_a_disk_behind_a_sas_reaches_qemu_by_a_pipe_and_nowhere_else(tmp_path: Path) -> None:
    disk = recovery_disk(URL, 64 * MIB, tmp_path / "overlay.qcow2")
    words = " ".join(command_line(plan([disk]), 3, 4))
    assert SIGNATURE not in words
    assert BLOB in words, "the blob that the machine uses is on its command line"
    assert "-readconfig /dev/fd/4" in words
    assert SIGNATURE in secret_configuration([disk])
    shown = public_configuration([disk])
    assert SIGNATURE not in shown
    assert 'backing.driver = "vpc"' in shown
    assert BLOB in shown
    assert SIGNATURE.encode() not in (tmp_path / "overlay.qcow2").read_bytes()


def test_a_disk_without_a_secret_stands_on_the_command_line(tmp_path: Path) -> None:
    disk = recovery_disk(BLOB, 64 * MIB, tmp_path / "o.qcow2", driver="raw")
    words = " ".join(command_line(plan([disk, raw_file_disk(Path("/disk"))]), 3, 4))
    assert "-readconfig" not in words
    assert '"driver": "raw", "read-only": true' in words
    assert "rerror=report,werror=report" in words
    assert "drive=disk1" in words


def test_only_a_disk_over_http_has_its_requests_one_at_a_time(tmp_path: Path) -> None:
    disk = recovery_disk(BLOB, 64 * MIB, tmp_path / "o.qcow2")
    words = command_line(plan([disk, raw_file_disk(Path("/disk"))]), 3, 4)
    over_http, local = [word for word in words if word.startswith("virtio-blk-pci")]
    assert over_http.endswith(",queue-size=4,indirect_desc=off,cyls=16383,heads=16,secs=63")
    assert "queue-size" not in local


def test_options_reach_the_agent_and_white_space_is_refused() -> None:
    assert kernel_command_line(plan([], seed=4)).endswith("mp.role=prove mp.seed=4")
    with pytest.raises(UsageError, match="white space"):
        kernel_command_line(plan([], seed="4 rdinit=/bin/sh"))


def test_nbd_addresses() -> None:
    assert nbd_disk("unix:/s", "db").blockdev["server"] == {"type": "unix", "path": "/s"}
    inet = {"type": "inet", "host": "127.0.0.1", "port": "10809"}
    assert nbd_disk("127.0.0.1:10809", "db").blockdev["server"] == inet
    with pytest.raises(UsageError, match="neither"):
        nbd_disk("localhost", "db")


def test_what_cannot_be_a_recovery_disk_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not over 'ftp'"):
        recovery_disk("ftp://host/disk", MIB, tmp_path / "a")
    with pytest.raises(UsageError, match="vpc"):
        recovery_disk(BLOB, MIB, tmp_path / "b", driver="vmdk")
    with pytest.raises(Inconclusive, match="no throw-away overlay"):
        recovery_disk(BLOB, MIB, tmp_path / "no-folder" / "c")
    long = recovery_disk(URL + "&x=" + "y" * 2000, MIB, tmp_path / "d")
    with pytest.raises(UsageError, match="longer than 1023") as raised:
        secret_configuration([long])
    assert SIGNATURE not in str(raised.value)


@pytest.mark.parametrize(
    ("extents", "size"), [([], 512), ([(0, 4096)], 512), ([(i, 1) for i in range(200)], 1536)]
)
def test_the_extents_disk_is_whole_sectors(
    tmp_path: Path, extents: list[tuple[int, int]], size: int
) -> None:
    extents_disk(extents, tmp_path / "extents")
    content = (tmp_path / "extents").read_bytes()
    assert len(content) == size
    read = [tuple(map(int, line.split())) for line in content.rstrip(b"\0").splitlines()]
    assert read == extents


def test_a_blob_service_that_is_down_ends_the_guest_at_once_and_shows_no_secret(
    guest: StartGuest, tmp_path: Path
) -> None:
    disk = recovery_disk(URL, 64 * MIB, tmp_path / "overlay.qcow2")
    with guest("prove", [disk]) as vm:
        running = Path(f"/proc/{vm.pid}/cmdline").read_bytes()
        with pytest.raises(Inconclusive, match="before it ended") as raised:
            vm.wait_for("ready", 120.0)
        assert vm.wait(60.0) == 1
    assert SIGNATURE.encode() not in running
    assert "127.0.0.1 port 9" in vm.complaints
    for text in (vm.complaints, vm.evidence, str(raised.value)):
        assert SIGNATURE not in text
    assert not os.path.exists(f"/proc/{vm.pid}/fd"), "nothing is left running"  # noqa: PTH110


def test_the_ledger_record_follows_the_lines() -> None:
    record = LedgerRecord()
    lines = ["ready workload 900", "beg 1", "ack 1 " + "a" * 64, "beg 2", "error append index=2"]
    record.hear_all(GuestLine(float(at), text) for at, text in enumerate(lines))
    assert record.ready_at == 0.0
    assert record.last is not None
    assert (record.last.index, record.last.began_at, record.last.at) == (1, 1.0, 2.0)
    assert record.in_flight == (2, 3.0)
    assert record.errors == ["append index=2"]
    with pytest.raises(MountproofError, match="had not begun"):
        record.hear(GuestLine(9.0, "ack 3 " + "b" * 64))
