"""Whole proofs with the VM: it mounts straight from the file or URL, and damage inside is found."""

import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

import pytest

from harness.disk.expected_ledger import ExpectedLedger, entry_hash
from harness.disk.proof import ProofResult, prove
from harness.evidence import EvidenceFolder
from harness.lab.azurite import Azurite
from tests.disk import range_server
from tests.disk.blobs import client_of, sas_url, upload
from tests.disk.disks import MIB, footer, ledger_file, write_disk
from tests.disk.range_server import Served, serve

pytestmark = pytest.mark.real
SIZE = 32 * MIB
SEED = 99
ENTRIES = 5


def vm_step(result: ProofResult) -> tuple[str, str]:
    step = next(step for step in result.steps if step.prover == "vm")
    return step.verdict, step.summary


def ext4(folder: Path, ledger: bytes) -> bytes:
    """Return an ext4 file system of `SIZE` bytes with this ledger in it."""
    (folder / "root").mkdir()
    (folder / "root" / "ledger").write_bytes(ledger)
    image = folder / "ext4"
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", str(folder / "root"), str(image), "32M"],
        check=True,
    )
    return image.read_bytes()


def last_entry() -> ExpectedLedger:
    previous = bytes(32)
    for index in range(1, ENTRIES + 1):
        previous = entry_hash(index, previous, SEED)
    return ExpectedLedger(ENTRIES, previous.hex(), SEED)


def test_a_blob_with_a_ledger_is_mounted_straight_over_http(
    azurite: Azurite, container: str, tmp_path: Path
) -> None:
    content = ext4(tmp_path, ledger_file(ENTRIES, SEED))
    with client_of(azurite, container, "disk.vhd") as client:
        upload(client, write_disk(tmp_path / "d.vhd", SIZE, {0: content}))
        url, etag = sas_url(client), client.get_blob_properties().etag
        out = EvidenceFolder(tmp_path / "out")
        result = prove(url, source=tmp_path / "ext4", ledger=last_entry(), folder=out)
        assert client.get_blob_properties().etag == etag, "the guest wrote to its overlay only"
    assert result.verdict == "good", result.steps
    assert {step.verdict for step in result.steps} == {"good"}
    assert result.facts["ledger_entries"] == ENTRIES
    assert result.facts["mounted"] is True
    raw = (tmp_path / "out/evidence/prove/vm.txt").read_text()
    assert "step e2fsck exit=0" in raw
    assert "disk.vhd" in raw
    signature = url.partition("sig=")[2].partition("&")[0]
    told = "".join(p.read_text() for p in (tmp_path / "out").rglob("*.txt")) + repr(result)
    assert signature not in told
    assert unquote(signature) not in told


def test_a_damaged_ledger_is_bad(tmp_path: Path) -> None:
    torn = bytearray(ledger_file(ENTRIES, SEED))
    torn[1000] ^= 1
    damaged = write_disk(tmp_path / "d.vhd", SIZE, {0: ext4(tmp_path, bytes(torn))})
    result = prove(str(damaged), ledger=last_entry())
    assert result.exit_code == 1
    verdict, told = vm_step(result)
    assert verdict == "bad"
    assert "chain breaks after entry 1" in told
    assert f"entry {ENTRIES} was acknowledged, the ledger ends with 1" in told


def test_a_damaged_file_system_is_bad_and_stays_damaged(tmp_path: Path) -> None:
    content = bytearray(ext4(tmp_path, ledger_file(ENTRIES, SEED)))
    superblock_free_blocks = 1024 + 12
    content[superblock_free_blocks] ^= 0x55
    (tmp_path / "ext4").write_bytes(content)
    subprocess.run(
        ["debugfs", "-w", "-R", "clri <2>", str(tmp_path / "ext4")],
        check=True,
        capture_output=True,
    )
    disk = write_disk(tmp_path / "d.vhd", SIZE, {0: (tmp_path / "ext4").read_bytes()})
    before = disk.read_bytes()
    result = prove(str(disk))
    assert result.exit_code == 1
    assert vm_step(result)[0] == "bad"
    assert disk.read_bytes() == before, "nothing was repaired"


def test_a_vhd_stored_at_the_first_sector_reaches_the_guest_whole(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    create = ["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=dynamic"]
    subprocess.run([*create, str(stored), "8M"], check=True)
    data = {0: stored.read_bytes(), 8 * MIB: footer(8 * MIB, unique_id=bytes(16))}
    result = prove(str(write_disk(tmp_path / "d.vhd", SIZE, data)))
    assert result.verdict == "good", result.steps


def dies_for_qemu_after(count: int) -> range_server.Fault:
    """Serve our own readers, but QEMU only `count` requests: then it is cut off."""
    seen: list[str] = []

    def fault(_served: Served, handler: BaseHTTPRequestHandler) -> bool:
        if handler.headers.get("x-ms-version"):
            return False
        seen.append(handler.command)
        handler.close_connection = len(seen) > count
        return len(seen) > count

    return fault


def test_a_service_that_dies_under_the_guest_is_inconclusive(tmp_path: Path) -> None:
    content = ext4(tmp_path, ledger_file(ENTRIES, SEED))
    disk = write_disk(tmp_path / "d.vhd", SIZE, {0: content})
    others = frozenset({"qemu-img", "qemu-io", "libvhdi", "dissect.hypervisor"})
    with serve(disk) as served:
        for count, told in [(0, "did not come to its end"), (4, "device-errors")]:
            served.fault = dies_for_qemu_after(count)
            result = prove(served.url, without=others)
            assert result.exit_code == 2
            assert vm_step(result)[0] == "inconclusive"
            assert told in vm_step(result)[1]


def test_without_the_guests_kernel_a_proof_is_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOUNTPROOF_CACHE", str(tmp_path))
    result = prove(str(write_disk(tmp_path / "d.vhd", SIZE)))
    assert vm_step(result)[0] == "inconclusive"
    assert "doctor" in vm_step(result)[1]
    assert result.exit_code == 2
