"""A proof that is interrupted: it ends at once and leaves neither process nor file behind."""

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.disk.disks import MIB, noise, write_disk
from tests.disk.range_server import Served, serve


def slow_after_six(served: Served, _handler: BaseHTTPRequestHandler) -> bool:
    """Answer, but only after a long while."""
    if len(served.requests) > 6:
        time.sleep(20)
    return False


def processes_that_name(text: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command and int(folder.name) != os.getpid():
            found.append(command.decode(errors="replace"))
    return found


def test_sigint_ends_everything_that_was_started(tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d.vhd", 64 * MIB, {0: noise(32 * MIB)})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with serve(disk) as served:
        served.fault = slow_after_six
        port = served.url.split("/")[2]
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.command_line.main", "prove", served.url],
            env=os.environ | {"TMPDIR": str(scratch)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while len(served.requests) <= 6 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(scratch.iterdir()), "the proof is under way"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=15)
        assert time.monotonic() - started < 5
        assert process.returncode == 2
        assert complaint.decode().startswith("mountproof: interrupted")
        assert list(scratch.iterdir()) == []
        assert processes_that_name(port) == []
