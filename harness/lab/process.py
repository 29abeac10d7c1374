"""Processes of the lab: started, logged, signalled by pid, looked at, and never left behind.

Every process dies with the lab even if the lab is killed with SIGKILL: it is started through
`setpriv --pdeathsig KILL`. Linux sends that signal when the *thread* that forked ends, so one
thread that lives as long as the lab starts them all.

A killed process is looked at once more as a zombie, before it is reaped: its /proc/PID/io is then
complete, up to its last write. Output goes through pipes that the lab drains into files, so that
the kernel does not count it as the process's own writing to storage.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from harness.errors import Inconclusive

__all__ = ["LabProcess", "ProcessIo", "Supervisor", "read_process_io"]

STOP_GRACE_S: Final = 8.0
"""How long an orderly stop may take before SIGKILL: the engine drains and releases its lease."""


PIPE_BYTES: Final = 65536
KILLED_S: Final = 60.0
"""How long the kernel may take to end a killed process, on a machine that is overloaded by far."""

PUMP_GRACE_S: Final = 10.0
"""A child of the process may hold the pipe open for longer; its output is then cut."""


@dataclass(frozen=True, slots=True)
class ProcessIo:
    """What the kernel counted for one process (proc(5), /proc/PID/io).

    `write_bytes` went, or will go, to a block device; `wchar` was passed to write-like calls;
    `cancelled_write_bytes` was dirtied and truncated again before it was written.
    """

    write_bytes: int
    wchar: int
    cancelled_write_bytes: int
    read_bytes: int


def read_process_io(pid: int) -> ProcessIo:
    """Read the counters of a running process or a zombie; OSError if it is gone."""
    text = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    counters = {key: int(value) for key, value in (line.split(": ") for line in text.splitlines())}
    return ProcessIo(
        counters["write_bytes"],
        counters["wchar"],
        counters["cancelled_write_bytes"],
        counters["read_bytes"],
    )


def _pump(source: IO[bytes] | None, target: Path, name: str) -> threading.Thread:
    """Copy a pipe into a file, as it comes, until its end."""
    assert source is not None
    target.touch()

    def copy() -> None:
        with source, target.open("ab", buffering=0) as file:
            while chunk := os.read(source.fileno(), PIPE_BYTES):
                file.write(chunk)

    thread = threading.Thread(target=copy, name=name, daemon=True)
    thread.start()
    return thread


_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-starter")


class LabProcess:
    """One process under supervision. Times are CLOCK_MONOTONIC seconds."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        output: Path,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start it: stdout goes to the file `output`, stderr to `log` (both appended to).

        `Inconclusive` if the program is not there.
        """
        self.name = name
        self.argv = list(argv)
        self.output = output
        self.log = log
        self._io: ProcessIo | None = None
        self._lock = threading.Lock()
        self.started_at = time.monotonic()
        try:
            self._popen = _starter.submit(self._start, env, cwd).result()
        except FileNotFoundError as error:
            raise Inconclusive(
                f"cannot start {name}: {error.filename} is not there; run `mountproof doctor`"
            ) from error
        self.pid = self._popen.pid
        self._pumps = [
            _pump(self._popen.stdout, output, f"{name} stdout"),
            _pump(self._popen.stderr, log, f"{name} stderr"),
        ]

    def _start(self, env: Mapping[str, str] | None, cwd: Path | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *self.argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: killed by that signal."""
        with self._lock:
            if self._popen.returncode is None and self._is_zombie():
                self._reap()
            return self._popen.returncode

    @property
    def running(self) -> bool:
        """Whether it is still there (a paused process is)."""
        return self.exit_status is None

    def pause(self) -> float:
        """SIGSTOP; returns when the kernel has stopped every thread of it, with the time before."""
        at = time.monotonic()
        self._send(signal.SIGSTOP)
        return at

    def resume(self) -> float:
        """SIGCONT."""
        at = time.monotonic()
        self._send(signal.SIGCONT)
        return at

    def kill(self) -> float:
        """SIGKILL by pid, without waiting for its end; returns the time just before."""
        at = time.monotonic()
        self._send(signal.SIGKILL)
        return at

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status, or None if it still runs after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.running and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.exit_status

    def stop(self, grace_s: float = STOP_GRACE_S) -> int:
        """SIGTERM (and SIGCONT, it may be paused), after `grace_s` SIGKILL to its whole session."""
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)
        if self.wait(grace_s) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        status = self.wait(KILLED_S)
        if status is None:
            raise Inconclusive(f"{self.name} (pid {self.pid}) does not end even after SIGKILL")
        return status

    def io(self) -> ProcessIo:
        """Its counters now, or those of its end."""
        with self._lock:
            if self._io is None and self._is_zombie():
                self._reap()
            return self._io if self._io is not None else read_process_io(self.pid)

    def _send(self, number: signal.Signals) -> None:
        # Under the lock nobody reaps meanwhile, so the pid cannot belong to somebody else.
        with self._lock:
            if self._popen.returncode is None:
                os.kill(self.pid, number)

    def _is_zombie(self) -> bool:
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._popen.returncode is None and os.waitid(os.P_PID, self.pid, flags) is not None

    def _reap(self) -> None:
        self._io = read_process_io(self.pid)
        self._popen.wait()
        for pump in self._pumps:  # what was in the pipes at its end is in the files now
            pump.join(PUMP_GRACE_S)


class Supervisor:
    """All processes of one trial; whatever still runs at the end is stopped, newest first."""

    def __init__(self) -> None:
        self.processes: list[LabProcess] = []

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> LabProcess:
        """Start `argv`; its stdout and stderr are folder/NAME.out and folder/NAME.log."""
        folder.mkdir(parents=True, exist_ok=True)
        process = LabProcess(
            name,
            argv,
            output=folder / f"{name}.out",
            log=folder / f"{name}.log",
            env=env,
            cwd=cwd,
        )
        self.processes.append(process)
        return process

    def stop_all(self) -> None:
        """Stop what still runs."""
        for process in reversed(self.processes):
            if process.running:
                process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_all()
