"""Running tools: missing, hanging, killed and stopped ones give no verdict."""

import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.disk.proof import prove
from harness.disk.provers.qemu_compare import WINDOWS_MAX, windows_over
from harness.disk.source import Extent
from harness.disk.tools import ToolBox
from harness.errors import Inconclusive
from tests.disk.disks import MIB, noise, write_disk

SIZE = 20 * MIB


def test_a_run_keeps_both_outputs_and_the_status() -> None:
    run = ToolBox().run(["sh", "-c", "echo seen; echo 'key sig=abcdefgh' >&2; exit 3"], 5)
    assert (run.status, run.stdout, run.could_not_read) == (3, "seen\n", False)
    assert "seen" in run.transcript()
    assert "exit status 3" in run.transcript()
    assert "abcdefgh" not in run.transcript() + run.last_words()


def test_long_last_words_are_cut_and_name_no_json() -> None:
    run = ToolBox().run(["sh", "-c", 'echo "$0: $1 is bad" >&2; exit 1', "json:{}", "x" * 300], 5)
    assert run.last_words().endswith("x is bad")
    assert len(run.last_words()) == 160
    short = ToolBox().run(["sh", "-c", 'echo "no: $0" >&2; exit 1', "json:{}"], 5)
    assert short.last_words() == "no: the disk"
    assert ToolBox().run(["sh", "-c", "exit 4"], 5).last_words() == "exit status 4"


def test_a_tool_that_hangs_is_killed_and_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="did not end within 0 s"):
        ToolBox().run(["sleep", "3600"], 0.2)


def test_a_missing_tool_and_a_killed_one_are_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="no-such-tool is not installed"):
        ToolBox().run(["no-such-tool"], 5)
    with pytest.raises(Inconclusive, match="was killed"):
        ToolBox().run(["sh", "-c", "kill -9 $$"], 5)


def test_stop_ends_what_runs_and_starts_nothing_more() -> None:
    tools = ToolBox()
    killed: list[str] = []

    def stop_what_runs() -> None:
        while not tools._running:
            time.sleep(0.001)
        tools.stop()

    threading.Thread(target=stop_what_runs, daemon=True).start()
    with tools.stoppable(lambda: killed.append("guest")):
        with pytest.raises(Inconclusive, match="was killed"):
            tools.run(["sleep", "3600"], 7200)
        assert killed == ["guest"]
    with pytest.raises(Inconclusive, match="was stopped"):
        tools.run(["true"], 5)
    with pytest.raises(Inconclusive, match="was stopped"), tools.stoppable(lambda: None):
        pytest.fail("nothing may start after the stop")


def test_a_disk_in_use_is_inconclusive(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d.vhd", SIZE, {0: noise(MIB)})
    user = subprocess.Popen(
        ["qemu-io", "-f", "raw", str(disk)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert user.stdout is not None
        user.stdout.read(8)  # its prompt: the disk is open and locked
        result = prove(str(disk), without=frozenset({"vm"}))
    finally:
        user.communicate(b"quit\n")
    verdicts = {step.prover: step for step in result.steps}
    assert verdicts["qemu-img"].verdict == "inconclusive"
    assert "in use" in verdicts["qemu-img"].summary
    assert result.exit_code == 2


def test_windows_cover_all_data_in_a_bounded_number() -> None:
    size = 4096 * MIB
    extents = [Extent(at * 20 * MIB + (at % 7) * 512, 70_000) for at in range(100)]
    windows = windows_over([*extents, Extent(size + MIB, MIB)], size)
    assert len(windows) <= WINDOWS_MAX
    for extent in extents:
        assert any(w.offset <= extent.offset and extent.end <= w.end for w in windows)
    assert all(w.offset % MIB == 0 and w.end <= size for w in windows)
    assert windows_over([], size) == []
    assert windows_over([Extent(size - 5, 5)], size) == [Extent(size - MIB, MIB)]
