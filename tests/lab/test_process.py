"""Processes of the lab: started, watched, paused, killed; none outlives its lab."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import Inconclusive
from harness.lab.process import Supervisor, read_process_io

WRITER = """
import sys, time
file = open(sys.argv[1], "wb", buffering=0)
print("ready", flush=True)
while True:
    file.write(b"x" * 4096)
    time.sleep(0.001)
"""


HANG_S = 120.0
"""Only guards against hanging."""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.01)


def wait_for(path: Path, text: str) -> None:
    until(lambda: text in path.read_text(), repr(text))


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def is_gone(pid: int) -> bool:
    try:
        return state_of(pid) == "Z"
    except OSError:  # between two looks its parent has reaped it
        return True


def test_output_and_errors_go_to_files(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with Supervisor() as supervisor:
        process = supervisor.start("p", [sys.executable, "-c", code], folder=tmp_path)
        assert process.wait(HANG_S) == 3
    assert (tmp_path / "p.out").read_text() == "out\n"
    assert (tmp_path / "p.log").read_text() == "err\n"


def test_a_killed_process_tells_what_it_wrote_up_to_its_end(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with Supervisor() as supervisor:
        argv = [sys.executable, "-c", WRITER, str(target)]
        process = supervisor.start("writer", argv, folder=tmp_path)
        wait_for(process.output, "ready")
        until(lambda: target.stat().st_size > 0, "a write")
        process.kill()
        assert process.wait(HANG_S) == -signal.SIGKILL
        counted = process.io()
    written = target.stat().st_size
    assert written > 0
    assert counted.wchar >= written
    assert written <= counted.write_bytes <= written + 4096  # nothing but the file was written


def test_a_paused_process_does_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with Supervisor() as supervisor:
        argv = [sys.executable, "-c", WRITER, str(target)]
        process = supervisor.start("writer", argv, folder=tmp_path)
        wait_for(process.output, "ready")
        process.pause()
        until(lambda: state_of(process.pid) == "T", "the pause")
        paused_at = target.stat().st_size
        time.sleep(0.1)
        assert target.stat().st_size == paused_at
        assert process.running
        process.resume()
        until(lambda: target.stat().st_size > paused_at, "a write after the pause")


def test_stop_ends_a_process_that_ignores_sigterm_and_one_that_is_paused(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); time.sleep(60)"
    )
    with Supervisor() as supervisor:
        deaf = supervisor.start("deaf", [sys.executable, "-c", code], folder=tmp_path)
        paused = supervisor.start("paused", ["sleep", "60"], folder=tmp_path)
        wait_for(deaf.output, "ready")
        paused.pause()
        assert deaf.stop(grace_s=0.2) == -signal.SIGKILL
        assert paused.stop() == -signal.SIGTERM


def test_an_exception_leaves_nothing_behind(tmp_path: Path) -> None:
    started = []

    def fail() -> None:
        with Supervisor() as supervisor:
            started.append(supervisor.start("sleeper", ["sleep", "60"], folder=tmp_path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    (process,) = started
    assert not process.running
    assert not Path(f"/proc/{process.pid}").exists()


def test_processes_die_with_a_lab_that_is_killed(tmp_path: Path) -> None:
    lab = (
        "import sys, time; from pathlib import Path;"
        "from harness.lab.process import Supervisor; s = Supervisor();"
        "p = s.start('s', ['sleep', '60'], folder=Path(sys.argv[1]));"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", lab, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        pid = int(popen.stdout.readline())
        wait_for(Path(f"/proc/{pid}/comm"), "sleep")  # from then on it is tied to the lab
        os.kill(popen.pid, signal.SIGKILL)
    until(lambda: is_gone(pid), "the end of the lab's process")


def test_a_missing_program_is_inconclusive(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        process = supervisor.start("none", ["/nowhere/program"], folder=tmp_path)
        assert process.wait(HANG_S) not in (0, None)
        assert "/nowhere/program" in process.log.read_text()


def test_counters_of_a_process_that_is_gone_are_an_error() -> None:
    with pytest.raises(OSError, match="No such"):
        read_process_io(2**22 - 1)
    assert Inconclusive.exit_code == 2
