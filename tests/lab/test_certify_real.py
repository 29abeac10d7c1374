"""`mountproof certify` on real parts: one kill from end to end, and an interrupt in the middle."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.adapter import BlobService, VolumeOrder
from harness.adapters import reference_engine
from harness.errors import Inconclusive
from harness.evidence import Verdict, read_run
from harness.lab.azurite import Azurite

PROFILE = Path(__file__).with_name("one_kill.toml")
PROGRAM = [sys.executable, "-c", "from harness.command_line.main import run; run()", "certify"]
VARIABLE = "TEST_STORE_CONNECTION"

pytestmark = pytest.mark.real


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A temporary folder of its own, with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mpt-", dir="/tmp") as folder:
        yield Path(folder)


def environment(azurite: Azurite, scratch: Path) -> dict[str, str]:
    return {**os.environ, VARIABLE: azurite.connection_string, "TMPDIR": str(scratch)}


def secret_of(azurite: Azurite) -> str:
    return azurite.connection_string.partition("AccountKey=")[2].partition(";")[0]


def processes_below(folder: Path) -> list[str]:
    """Command lines of processes that still name the folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


def test_one_kill_from_a_live_volume_to_a_certificate(
    azurite: Azurite, tmp_path: Path, scratch: Path
) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [*PROGRAM, "--profile", str(PROFILE), "--out", str(out), "--store", f"env:{VARIABLE}",
         "--seed", "3"],
        env=environment(azurite, scratch), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    record = read_run(out)
    verdicts = {claim.id: claim.verdict for claim in record.claims}
    assert verdicts["no-acked-loss"] is verdicts["boots"] is Verdict.HELD
    assert verdicts["rpo"] is Verdict.NOT_DEMANDED
    counted = [trial for trial in record.trials if trial.counted]
    assert len(counted) == 1
    facts = counted[0].facts
    assert int(facts["ledger.acked_before_kill"]) >= 100
    assert facts["ledger.lost_entries"] == 0
    assert facts["boot.straight_from_blob"] is True
    assert {step.prover for step in counted[0].proofs if step.verdict == "good"} >= {
        "vm",
        "libvhdi",
    }
    assert {"workload", "faults", "failover", "boot"} <= {e.lane for e in counted[0].timeline}
    certificate = json.loads((out / "certificate.json").read_text())
    assert certificate["verdict"] == "held"
    assert (out / "report.html").stat().st_size > 10_000
    for file in (entry for entry in out.rglob("*") if entry.is_file()):
        assert secret_of(azurite).encode() not in file.read_bytes(), file
    assert secret_of(azurite) not in done.stdout + done.stderr
    assert list(scratch.iterdir()) == []
    assert processes_below(tmp_path) == processes_below(scratch) == []


def test_an_interrupt_stops_everything_and_keeps_what_was_found(
    azurite: Azurite, tmp_path: Path, scratch: Path
) -> None:
    out, said = tmp_path / "out", tmp_path / "said"
    with said.open("w") as stream:
        running = subprocess.Popen(
            [*PROGRAM, "--profile", str(PROFILE), "--out", str(out), "--store", f"env:{VARIABLE}"],
            env=environment(azurite, scratch), stdout=stream, stderr=stream,
        )  # fmt: skip
    deadline = time.monotonic() + 400
    while "starting the guest" not in said.read_text():
        assert time.monotonic() < deadline, said.read_text()
        assert running.poll() is None, said.read_text()
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    assert running.wait(200) == 2, said.read_text()
    record = read_run(out)
    assert [trial.why_not_counted.split(":")[0] for trial in record.trials] == ["interrupted"]
    certificate = json.loads((out / "certificate.json").read_text())
    assert record.interrupted
    assert (certificate["verdict"], certificate["exit_code"]) == ("inconclusive", 2)
    assert list(scratch.iterdir()) == []
    assert processes_below(tmp_path) == processes_below(scratch) == []


def test_a_service_that_is_down_is_inconclusive_and_a_wrong_key_is_a_usage_error(
    azurite: Azurite, tmp_path: Path
) -> None:
    down = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5a2V5a2V5a2V5;"
    cases = {
        2: f"{down}BlobEndpoint=http://127.0.0.1:9/a;",
        64: azurite.connection_string.replace(secret_of(azurite), "d3JvbmcgYnV0IHdlbGwgZm9ybWVk"),
    }
    for code, connection in cases.items():
        done = subprocess.run(
            [*PROGRAM, "--profile", str(PROFILE), "--out", str(tmp_path / f"out{code}"),
             "--store", f"env:{VARIABLE}"],
            env={**os.environ, VARIABLE: connection}, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert connection.partition("AccountKey=")[2][:12] not in done.stdout + done.stderr


def test_a_heartbeat_port_that_is_taken_is_told(
    azurite: Azurite, container: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(reference_engine, "free_udp_port", lambda: port)
        (scratch / "primary").mkdir()
        volume = scratch / "primary" / "volume.img"
        volume.write_bytes(bytes(1 << 20))
        order = VolumeOrder(
            name="db", path=volume, blob="db.vhd", mode="sync", order="flush", fence="break"
        )
        service = BlobService(azurite.connection_string, container)
        running = reference_engine.ReferenceEngine().protect(order, service, scratch)
        try:
            with pytest.raises(Inconclusive, match=f"standby ended.*{port}"):
                wait_for_death(running.check_running)
        finally:
            running.stop()


def wait_for_death(check: Callable[[], None]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        check()
        time.sleep(0.05)
