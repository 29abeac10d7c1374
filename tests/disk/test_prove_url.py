"""A whole proof over HTTP, and a service that dies in the middle of it."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from harness.disk.findings import Consumer
from harness.disk.proof import ProofResult, prove
from harness.evidence import EvidenceFolder
from tests.disk import range_server
from tests.disk.disks import MIB, footer, noise, write_disk
from tests.disk.range_server import Served, serve

SIZE = 32 * MIB
NO_VM = frozenset({"vm"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_disk(tmp_path / "disk.vhd", SIZE, {MIB: noise(2 * MIB), SIZE - MIB: noise(MIB)})


def good_but_for_the_vm(result: ProofResult) -> bool:
    return {s.verdict for s in result.steps if s.prover != "vm"} <= {"good", "not applicable"}


def test_a_good_blob_with_its_source(path: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(path.read_bytes()[:-512])
    with serve(path) as served:
        folder = EvidenceFolder(tmp_path / "out")
        result = prove(served.url, source=source, folder=folder, without=NO_VM)
    assert good_but_for_the_vm(result), result.steps
    assert result.facts["data_bytes"] == 3 * MIB
    told = repr(result) + "".join(p.read_text() for p in (tmp_path / "out").rglob("*.txt"))
    assert "Zm9yLXRlc3RzLW9ubHk" not in told, "the SAS signature"
    assert served.url.partition("?")[0] in told


def test_a_bad_blob_is_bad(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d", SIZE, {0: noise(MIB)}, footer(SIZE, checksum=5))
    with serve(disk) as served:
        assert prove(served.url, without=NO_VM).exit_code == 1


def test_a_block_blob_is_bad_for_azure(path: Path) -> None:
    with serve(path) as served:
        served.blob_type = "BlockBlob"
        assert prove(served.url, without=NO_VM).exit_code == 1
        only_qemu = prove(served.url, without=NO_VM, consumers=frozenset({Consumer.QEMU}))
        assert good_but_for_the_vm(only_qemu)


def requests_of_a_whole_proof(path: Path) -> int:
    with serve(path) as served:
        prove(served.url, without=NO_VM)
        return len(served.requests)


def test_a_service_that_dies_anywhere_in_the_middle_is_inconclusive(path: Path) -> None:
    opening = 4  # HEAD, first sector, last sector, page list: before them it is an error, exit 2
    for count in range(opening, requests_of_a_whole_proof(path), 5):
        with serve(path) as served:
            served.fault = range_server.dies_after(count)
            result = prove(served.url, without=NO_VM)
            assert result.exit_code == 2, (count, result.steps)


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_service_that_refuses_in_the_middle_is_inconclusive(path: Path, status: int) -> None:
    with serve(path) as served:
        served.fault = range_server.status_after(7, status)
        assert prove(served.url, without=NO_VM).exit_code == 2


def test_one_failed_answer_does_not_make_a_good_disk_bad(path: Path) -> None:
    for count in (7, 10, 13, 15, 16, 24):  # most are reads by QEMU, each fails in its own words
        with serve(path) as served:
            served.fault = fails_once(count)
            result = prove(served.url, without=NO_VM)
            assert result.exit_code == 2, (count, result.steps)


def fails_once(count: int) -> range_server.Fault:
    refuse = range_server.status(503)

    def fault(served: Served, handler: BaseHTTPRequestHandler) -> bool:
        return len(served.requests) == count + 1 and refuse(served, handler)

    return fault
