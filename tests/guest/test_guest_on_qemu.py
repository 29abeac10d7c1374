"""The agent in real machines, on local disks: what it writes, what it proves, what it finds."""

import hashlib
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from harness.guest.accelerator import boots, probe_accelerator
from harness.guest.build import GuestImages
from harness.guest.disks import Disk, extents_disk, nbd_disk, raw_file_disk, recovery_disk
from harness.guest.ledger import LedgerRecord
from harness.oracle.admissible import judge_image
from harness.oracle.history import read_history
from harness.oracle.loss import LossRule
from harness.oracle.pages import decode_pages
from tests.guest.conftest import StartGuest

MIB = 1 << 20
GIB = 1 << 30
# Generous: a machine that is busy with other tests emulates slowly.
PATIENCE = 120.0


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return sparse(tmp_path / "disk.raw", 64 * MIB)


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def prove(guest: StartGuest, disks: list[Disk], **options: int) -> dict[str, dict[str, str]]:
    """Return step name -> its values, `end` and `out` among them."""
    steps: dict[str, dict[str, str]] = {"out": {}}
    with guest("prove", disks, **options) as vm:
        for line in vm.lines(PATIENCE):
            word, _, rest = line.text.partition(" ")
            name, _, values = rest.partition(" ") if word == "step" else (word, "", rest)
            if word in {"step", "end"}:
                steps[name] = dict(pair.split("=", 1) for pair in values.split())
            elif word == "out":
                steps["out"][str(len(steps["out"]))] = rest
        assert vm.wait(60.0) == 0
    return steps


def throw_away(path: Path, size: int = 64 * MIB) -> Disk:
    return recovery_disk(path, size, path.with_suffix(".overlay"), driver="raw")


def test_a_killed_ledger_guest_leaves_a_disk_with_every_acknowledged_entry(
    guest: StartGuest, disk: Path
) -> None:
    record = LedgerRecord()
    with guest("workload", [raw_file_disk(disk)], format=1, seed=11) as vm:
        for line in vm.lines(PATIENCE):
            record.hear(line)
            if len(record.acknowledged) >= 60 and record.in_flight is not None:
                vm.kill()
        assert vm.wait(60.0) == -9
    last = record.last
    assert last is not None
    before = hashlib.sha256(disk.read_bytes()).digest()
    steps = prove(guest, [throw_away(disk)])
    assert steps["end"] == {"verdict": "good", "reason": "none", "errors": "0"}
    assert steps["filesystem"]["type"] == "ext4"
    assert steps["mount"]["result"] == steps["unmount"]["result"] == "ok"
    assert steps["e2fsck"]["exit"] == "0"
    assert any("Pass 5" in text for text in steps["out"].values())
    assert int(steps["ledger"]["entries"]) in {last.index, last.index + 1}
    if int(steps["ledger"]["entries"]) == last.index:
        assert steps["ledger"]["last"] == last.digest
    assert hashlib.sha256(disk.read_bytes()).digest() == before, "the disk itself is untouched"


def test_a_ledger_goes_on_after_a_restart_and_damage_is_found(
    guest: StartGuest, disk: Path
) -> None:
    for first, options in ((1, {"format": 1}), (6, {})):
        record = LedgerRecord()
        with guest("workload", [raw_file_disk(disk)], entries=5, seed=3, **options) as vm:
            record.hear_all(vm.lines(PATIENCE))
            assert vm.wait(60.0) == 0
        assert [entry.index for entry in record.acknowledged] == list(range(first, first + 5))
    content = bytearray(disk.read_bytes())
    content[content.index(b"MPLEDGR1") + 3 * 512 + 60] ^= 1
    disk.write_bytes(content)
    subprocess.run(["debugfs", "-w", "-R", "freei <12>", disk], check=True, capture_output=True)
    steps = prove(guest, [throw_away(disk)])
    assert steps["end"]["verdict"] == "bad"
    assert steps["ledger"]["ok"] == "0"
    assert steps["ledger"]["entries"] == "3"
    assert steps["ledger"]["reason"] == "record-hash"
    assert steps["e2fsck"]["exit"] == "4", "damage is reported, not repaired"


def test_a_raw_guest_writes_a_history_that_the_oracle_can_judge(
    guest: StartGuest, tmp_path: Path
) -> None:
    size = 4 * MIB
    disk = sparse(tmp_path / "raw", size)
    with guest("raw", [raw_file_disk(disk)], entries=400, seed=5, volume=9) as vm:
        lines = list(vm.lines(PATIENCE))
        assert vm.wait(60.0) == 0
    words = [line.text.split(" ") for line in lines]
    assert words[-1][:2] == ["end", "raw"]
    history = read_history((line.at, line.text) for line in lines)
    assert history.completed() == 400
    assert {write.kind for write in history.writes} == {"data", "fua", "zero"}
    assert max(write.pages for write in history.writes) > 64
    assert most_in_flight(words) > 1
    shown = decode_pages(disk.read_bytes(), 9, 0)
    rule = LossRule("sync", failed_s=lines[-1].at)
    assert judge_image(shown, history, "strict", rule).admissible
    damaged = np.array(shown)
    newest = history.writes[-1]
    damaged[newest.first_page] = 0 if damaged[newest.first_page] else 1
    assert not judge_image(damaged, history, "strict", rule).admissible


def most_in_flight(words: list[list[str]]) -> int:
    flying: dict[str, tuple[int, int]] = {}
    most = 0
    for word in words:
        if word[0] == "inv":
            start, end = int(word[2]), int(word[2]) + int(word[3])
            assert all(end <= low or high <= start for low, high in flying.values()), "overlap"
            flying[word[1]] = (start, end)
            most = max(most, len(flying))
        elif word[0] == "done":
            del flying[word[1]]
    return most


def test_a_sparse_100_gib_disk_is_digested_where_its_data_is(
    guest: StartGuest, tmp_path: Path
) -> None:
    size = 100 * GIB
    disk = sparse(tmp_path / "big.raw", size)
    places = [(65536 + 512, b"a" * 512), (50 * GIB - 10, b"b" * 20), (size - 512, b"c" * 512)]
    with disk.open("r+b") as file:
        for offset, data in places:
            file.seek(offset)
            file.write(data)
    extents = [(offset, len(data)) for offset, data in places]
    disks = [throw_away(disk, size), extents_disk(extents, tmp_path / "extents")]
    steps = prove(guest, disks, extents=1)
    assert steps["end"]["verdict"] == "good"
    assert steps["mount"]["result"] == "not-applicable"
    assert steps["read"]["size"] == str(size)
    assert steps["read"]["chunks"] == "4"
    assert steps["read"]["digest"] == digest_of(disk, extents)


def digest_of(disk: Path, extents: list[tuple[int, int]]) -> str:
    """Compute the digest as the interface describes it, in another way than the guest does."""
    chunks = {at // 65536 for start, size in extents for at in (start, start + size - 1)}
    digest = hashlib.sha256()
    with disk.open("rb") as file:
        for chunk in sorted(chunks):
            header = (chunk * 65536).to_bytes(8, "little") + (65536).to_bytes(8, "little")
            digest.update(header + os.pread(file.fileno(), 65536, chunk * 65536))
    return digest.hexdigest()


def test_a_disk_that_cannot_be_read_is_not_called_bad(guest: StartGuest, disk: Path) -> None:
    disk.write_bytes(os.urandom(MIB) + bytes(63 * MIB))
    failing = Disk(
        {
            "driver": "blkdebug",
            "image": {"driver": "file", "filename": str(disk)},
            "inject-error": [{"event": "none", "iotype": "read", "sector": 4096, "errno": 5}],
        },
        title="a disk with a bad sector",
    )
    steps = prove(guest, [failing])
    assert steps["read"]["errno"] == "5"
    assert steps["end"]["verdict"] == "inconclusive"
    assert steps["end"]["reason"] == "device-errors"


def test_fsyncs_are_counted_through_an_nbd_server(guest: StartGuest, disk: Path) -> None:
    address = disk.with_suffix(".sock")
    server = subprocess.Popen(["qemu-nbd", "-f", "raw", "-x", "db", "-k", address, disk])
    try:
        deadline = time.monotonic() + 120.0
        while not address.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        nbd = nbd_disk(f"unix:{address}", "db")
        with guest("fsyncbench", [nbd], format=1, entries=25) as vm:
            words = vm.wait_for("fsyncs", PATIENCE).text.split()
            assert vm.wait(60.0) == 0
        assert words[1] == "25"
        assert 0.0 < float(words[3]) < PATIENCE
    finally:
        server.kill()
        server.wait(60.0)


def test_the_probe_finds_an_accelerator_with_which_a_guest_boots(images: GuestImages) -> None:
    found = probe_accelerator(images)
    assert found in {"kvm", "tcg"}
    assert boots(images, found, PATIENCE)
    assert probe_accelerator(images) == found
