"""A whole proof of a local disk by all readers but the VM: every bad input of the issue, by name.

The VM is left out here for speed, so a disk that passes everything else is inconclusive; the proofs
with the VM are in test_prove_guest.py.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.disk.findings import Consumer
from harness.disk.proof import ProofResult, optional_provers, prove
from harness.errors import UsageError
from harness.evidence import EvidenceFolder
from tests.disk.disks import MIB, footer, noise, write_disk

SIZE = 20 * MIB
NO_VM = frozenset({"vm"})


def proof(path: Path, **options: object) -> ProofResult:
    return prove(str(path), **({"without": NO_VM} | options))  # type: ignore[arg-type]


def verdicts(result: ProofResult) -> dict[str, str]:
    return {step.prover: step.verdict for step in result.steps}


def all_but_the_vm_are_good(result: ProofResult) -> bool:
    seen = verdicts(result)
    return seen.pop("vm") == "inconclusive" and set(seen.values()) <= {"good", "not applicable"}


def test_all_readers_agree_on_a_good_disk(tmp_path: Path) -> None:
    data = {0: noise(MIB), SIZE - MIB: noise(MIB, seed=2)}
    disk = write_disk(tmp_path / "d", SIZE, data)
    source = tmp_path / "source"
    source.write_bytes(disk.read_bytes()[:-512])
    result = proof(disk, source=source, folder=EvidenceFolder(tmp_path / "out"))
    assert verdicts(result) == {
        "strict validator": "good",
        "qemu-img": "good",
        "qemu-io": "good",
        "qemu-img compare": "good",
        "libvhdi": "good",
        "dissect.hypervisor": "good",
        "vm": "inconclusive",
    }
    assert result.verdict == "inconclusive", "a prover was left out: never good"
    assert result.facts["size_bytes"] == SIZE
    assert result.facts["data_bytes"] == 2 * MIB
    for step in result.steps:
        assert (tmp_path / "out" / step.raw).stat().st_size > 0


@pytest.mark.parametrize(
    ("last", "word"),
    [
        (footer(SIZE, checksum=77), "checksum"),
        (footer(SIZE * 2), "truncated"),
        (footer(SIZE - MIB), "wrong"),
        (footer(SIZE, disk_type=3), "dynamic"),
        (bytes(512), "destroyed"),
        (footer(SIZE) + bytes(512), "must be the last"),
        (b"", "destroyed"),
    ],
)
def test_a_damaged_end_is_bad(tmp_path: Path, last: bytes, word: str) -> None:
    result = proof(write_disk(tmp_path / "d", SIZE, {0: noise(MIB)}, last))
    assert result.verdict == "bad"
    assert result.exit_code == 1
    assert word in result.steps[0].summary


def test_a_truncated_disk_is_bad(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d", SIZE, {0: noise(MIB)})
    with disk.open("r+b") as file:
        file.truncate(SIZE - 5000)
    assert proof(disk).exit_code == 1


def test_a_destroyed_footer_that_plain_qemu_img_info_would_pass_is_bad(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d", SIZE, last=bytes(512))
    subprocess.run(["qemu-img", "info", str(disk)], capture_output=True, check=True)
    result = proof(disk)
    assert result.exit_code == 1
    assert {k for k, v in verdicts(result).items() if v == "bad"} >= {
        "strict validator",
        "qemu-img",
        "libvhdi",
    }


@pytest.mark.parametrize("subformat", ["dynamic"])
def test_a_real_dynamic_vhd_is_bad(tmp_path: Path, subformat: str) -> None:
    disk = tmp_path / "d"
    options = f"subformat={subformat},force_size=on"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "vpc", "-o", options, str(disk), "20M"], check=True
    )
    result = proof(disk)
    assert result.exit_code == 1
    assert "dynamic" in result.steps[0].summary


def test_a_size_of_no_whole_mib_is_bad_for_azure_and_good_for_qemu(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d", SIZE + 512)
    assert proof(disk).exit_code == 1
    assert proof(disk, consumers=frozenset({Consumer.AZURE})).exit_code == 1
    assert all_but_the_vm_are_good(proof(disk, consumers=frozenset({Consumer.QEMU})))


def test_what_azure_itself_exports_is_bad_for_qemu_and_good_for_azure(tmp_path: Path) -> None:
    last = footer(SIZE, creator=b"wa\0\0", cylinders=602, heads=4, sectors=17)
    disk = write_disk(tmp_path / "d", SIZE, {0: noise(MIB)}, last)
    result = proof(disk)
    assert result.exit_code == 1
    assert verdicts(result)["qemu-img"] == "bad", "QEMU 7.2 cuts its end off"
    azure = proof(disk, consumers=frozenset({Consumer.AZURE}))
    assert all_but_the_vm_are_good(azure)
    assert verdicts(azure)["qemu-img"] == "not applicable"


@pytest.mark.parametrize("name", ["random", "sqlite.db"])
def test_what_is_no_vhd_is_bad(tmp_path: Path, name: str) -> None:
    disk = tmp_path / name
    disk.write_bytes(noise(MIB))
    assert proof(disk).exit_code == 1


@pytest.mark.parametrize("content", [b"", b"x", bytes(512), footer(0), footer(MIB)])
def test_tiny_files_are_bad_and_not_a_crash(tmp_path: Path, content: bytes) -> None:
    disk = tmp_path / "d"
    disk.write_bytes(content)
    assert proof(disk).exit_code == 1


def test_a_stale_footer_inside_is_bad(tmp_path: Path) -> None:
    result = proof(write_disk(tmp_path / "d", SIZE, {8 * MIB: footer(8 * MIB)}))
    assert result.exit_code == 1
    assert "old footer of this very disk" in result.steps[0].summary
    assert str(8 * MIB) in result.steps[0].summary


def test_guest_data_that_looks_like_a_footer_is_legal(tmp_path: Path) -> None:
    data = {4 * MIB: b"conectix" + noise(504), 8 * MIB: footer(8 * MIB, unique_id=bytes(16))}
    assert all_but_the_vm_are_good(proof(write_disk(tmp_path / "d", SIZE, data)))


@pytest.mark.parametrize("first", ["cookie", "whole dynamic file"])
def test_a_vhd_stored_at_the_first_sector_is_legal(tmp_path: Path, first: str) -> None:
    stored = tmp_path / "stored"
    if first == "cookie":
        stored.write_bytes(b"conectix" + noise(504))
    else:
        create = ["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=dynamic"]
        subprocess.run([*create, str(stored), "8M"], check=True)
    disk = write_disk(tmp_path / "d", SIZE, {0: stored.read_bytes()})
    source = tmp_path / "source"
    source.write_bytes(disk.read_bytes()[:-512])
    result = proof(disk, source=source)
    assert all_but_the_vm_are_good(result), result.steps
    assert [f.code for f in result.findings] == ["cookie-in-first-sector"]


@pytest.mark.parametrize("at", [0, SIZE // 2 + 5, SIZE - 1])
def test_a_disk_that_differs_from_its_source_is_bad(tmp_path: Path, at: int) -> None:
    disk = write_disk(tmp_path / "d", SIZE, {0: noise(MIB)})
    other = bytearray(disk.read_bytes()[:-512])
    other[at] ^= 1
    source = tmp_path / "source"
    source.write_bytes(other)
    result = proof(disk, source=source)
    assert verdicts(result)["qemu-img compare"] == "bad"
    assert result.exit_code == 1


def test_a_source_is_padded_with_zeros_to_a_whole_mib(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(noise(SIZE - 1536))
    disk = write_disk(tmp_path / "d", SIZE, {0: noise(SIZE - 1536)})
    assert all_but_the_vm_are_good(proof(disk, source=source))
    longer = write_disk(tmp_path / "e", SIZE + MIB, {0: noise(SIZE - 1536)})
    assert verdicts(proof(longer, source=source))["qemu-img compare"] == "bad"


def test_a_source_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d", SIZE)
    with pytest.raises(UsageError, match="nowhere"):
        proof(disk, source=tmp_path / "nowhere")


def test_a_missing_tool_or_reader_is_inconclusive_never_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = write_disk(tmp_path / "d", SIZE)
    only = tmp_path / "bin"
    only.mkdir()
    found = shutil.which("qemu-io")
    assert found
    (only / "qemu-io").symlink_to(found)
    monkeypatch.setenv("PATH", str(only))
    monkeypatch.setitem(sys.modules, "pyvhdi", None)
    monkeypatch.setitem(sys.modules, "dissect.hypervisor", None)
    result = proof(disk)
    seen = verdicts(result)
    assert seen["qemu-io"] == "good"
    for name in ("qemu-img", "libvhdi", "dissect.hypervisor"):
        assert seen[name] == "inconclusive", name
    assert all("doctor" in s.summary for s in result.steps if s.prover in ("qemu-img", "libvhdi"))
    assert result.exit_code == 2


def test_bad_is_bad_even_where_a_prover_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyvhdi", None)
    assert proof(write_disk(tmp_path / "d", SIZE, last=bytes(512))).exit_code == 1


def test_the_strict_validator_cannot_be_left_out(tmp_path: Path) -> None:
    assert "strict validator" not in optional_provers()
    with pytest.raises(UsageError):
        prove(str(write_disk(tmp_path / "d", SIZE)), without=frozenset({"strict validator"}))


def test_no_proof_changes_the_disk(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d", SIZE, {0: noise(MIB)}, footer(SIZE, checksum=1))
    before = disk.read_bytes()
    proof(disk)
    assert disk.read_bytes() == before
