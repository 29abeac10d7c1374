"""A proof that is interrupted: it ends and leaves neither process nor file behind.

The service answers nothing more until the test is over, so that a proof which waits for anything
of it does not end at all: no clock has to tell "at once" from "too late".
"""

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.disk.disks import MIB, noise, write_disk
from tests.disk.range_server import Served, serve

HANG_S = 60.0
"""Only guards against hanging."""

GOOD_ANSWERS = 6

WOKEN = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from harness.command_line.main import run
run()
"""
"""The program, also where the tests run in the background and signals of a terminal are ignored."""

MUTED = """\
import signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
from harness.command_line.main import run
run()
"""
"""The program, but a signal goes to another thread than the main one and does not wake it."""


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


@pytest.mark.parametrize(
    "program",
    [WOKEN, MUTED],
    ids=["main thread wakes", "main thread is not woken"],
)
def test_sigint_ends_everything_that_was_started(tmp_path: Path, program: str) -> None:
    disk = write_disk(tmp_path / "d.vhd", 64 * MIB, {0: noise(32 * MIB)})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    stuck, over = threading.Event(), threading.Event()

    def silent_after_some(served: Served, handler: BaseHTTPRequestHandler) -> bool:
        if len(served.requests) <= GOOD_ANSWERS:
            return False
        stuck.set()
        over.wait()
        handler.close_connection = True
        return True

    with serve(disk) as served:
        served.fault = silent_after_some
        port = served.url.split("/")[2]
        with subprocess.Popen(
            [sys.executable, "-c", program, "prove", served.url],
            env=os.environ | {"TMPDIR": str(scratch)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                assert stuck.wait(HANG_S)
                assert list(scratch.iterdir()), "the proof is under way"
                process.send_signal(signal.SIGINT)
                _, complaint = process.communicate(timeout=HANG_S)
            finally:
                over.set()
                process.kill()
        assert process.returncode == 2
        assert complaint.decode().startswith("mountproof: interrupted")
        assert list(scratch.iterdir()) == []
        assert processes_that_name(port) == []
