"""The clients that people have, over both transports: qemu-io, qemu-img, nbdinfo, nbdcopy, fio."""

import hashlib
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tap.conftest import SIZE_BYTES
from tests.tap.file_handler import FileHandler
from tests.tap.running import RunningTap

pytestmark = pytest.mark.real


def run(*command: str) -> str:
    """Run a client; its output, or a failure that shows it."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(params=["unix", "tcp"])
def uri(request: pytest.FixtureRequest, handler: FileHandler, tmp_path: Path) -> Iterator[str]:
    """Run and name a file-backed tap."""
    address = f"unix:{tmp_path}/u.sock" if request.param == "unix" else "127.0.0.1:0"
    tap = RunningTap(handler, address)
    if request.param == "unix":
        yield f"nbd+unix:///db?socket={tmp_path}/u.sock"
    else:
        yield f"nbd://{tap.address}/db"
    tap.stop()
    assert tap.faults == []


def test_nbdinfo_sees_the_size_the_limits_and_what_the_tap_can_do(uri: str) -> None:
    (export,) = json.loads(run("nbdinfo", "--json", uri))["exports"]
    assert export["export-size"] == SIZE_BYTES
    assert export["export-name"] == "db"
    sizes = [export[f"block_size_{name}"] for name in ("minimum", "preferred", "maximum")]
    assert sizes == [512, 4096, 32 << 20]
    can = {name for name in export if name.startswith("can_") and export[name]}
    assert can == {"can_flush", "can_fua", "can_trim", "can_zero"}


def test_nbdinfo_lists_the_export(uri: str) -> None:
    listed = json.loads(run("nbdinfo", "--list", "--json", uri))["exports"]
    assert [export["export-name"] for export in listed] == ["db"]


def test_qemu_io_writes_zeroes_discards_flushes_and_reads_back(
    uri: str, handler: FileHandler
) -> None:
    steps = (
        "write -P 7 4096 8192",
        "read -P 7 4096 8192",
        "write -z 4096 4096",
        "read -P 0 4096 4096",
        "write -z -u 2M 1M",
        "discard 8192 4096",
        "read -P 0 8192 4096",
        "write -f -P 9 512 512",
        "read -P 9 512 512",
        "flush",
    )
    words = [word for step in steps for word in ("-c", step)]
    output = run("qemu-io", "-t", "writeback", "-f", "raw", *words, uri)
    assert "failed" not in output
    asked = set(handler.calls)
    assert ("write", 4096, 8192, False) in asked
    assert ("write", 512, 512, True) in asked
    assert {("zero", 4096, 4096, False), ("zero", 2 << 20, 1 << 20, False)} <= asked
    assert ("zero", 8192, 4096, False) in asked
    assert ("flush", 0, 0, False) in asked


def test_nbdcopy_moves_a_disk_out_and_in(uri: str, volume: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.raw"
    run("nbdcopy", uri, str(copy))
    assert digest(copy) == digest(volume)
    copy.write_bytes(random.Random(8).randbytes(SIZE_BYTES))
    run("nbdcopy", "--flush", str(copy), uri)
    assert digest(copy) == digest(volume)


def test_qemu_img_compares_and_converts_with_requests_in_parallel(
    uri: str, volume: Path, tmp_path: Path
) -> None:
    assert "identical" in run("qemu-img", "compare", "-f", "raw", "-F", "raw", str(volume), uri)
    source = tmp_path / "source.raw"
    source.write_bytes(random.Random(9).randbytes(SIZE_BYTES))
    run("qemu-img", "convert", "-n", "-W", "-m", "8", "-f", "raw", "-O", "raw", str(source), uri)
    assert digest(source) == digest(volume)


@pytest.mark.parametrize("block", ["4k", "1m"])
def test_fio_verifies_what_it_wrote_at_queue_depth_16(uri: str, block: str) -> None:
    output = run(
        "fio", "--name=t", "--ioengine=nbd", f"--uri={uri}", "--rw=randwrite", f"--bs={block}",
        "--iodepth=16", f"--size={SIZE_BYTES}", "--verify=crc32c", "--verify_state_save=0",
        "--verify_fatal=1",
        "--output-format=json",
    )  # fmt: skip
    (job,) = json.loads(output[output.index("{") :])["jobs"]
    assert job["error"] == 0
    assert job["write"]["io_bytes"] == job["read"]["io_bytes"] == SIZE_BYTES
