"""Running the command-line tools that read a disk: with a time-out, and all stopped together."""

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import Inconclusive
from harness.redaction import redact

READ_ERRORS = ("input/output error", "curl: ")
"""What QEMU says when bytes could not be had: that is no verdict on the disk."""


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One finished run of a tool."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def could_not_read(self) -> bool:
        """It failed because bytes could not be had, not because of what they were."""
        told = (self.stdout + self.stderr).lower()
        return self.status != 0 and any(text in told for text in READ_ERRORS)

    def transcript(self) -> str:
        """Command line, both outputs and the status, for evidence; redacted."""
        text = (
            f"$ {' '.join(self.argv)}\n{self.stdout}{self.stderr}"
            f"[exit status {self.status}, {self.seconds:.2f} s]\n"
        )
        return redact(text)

    def last_words(self) -> str:
        """Last line of its complaint, redacted and short, for a summary."""
        told = self.stderr.strip() or self.stdout.strip()
        for argument in self.argv:
            if argument.startswith("json:"):
                told = told.replace(argument, "the disk")
        lines = told.splitlines()
        words = redact(lines[-1]) if lines else f"exit status {self.status}"
        return words if len(words) <= 160 else f"...{words[-157:]}"


class ToolBox:
    """Starts tools and can stop all of them, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._kills: list[Callable[[], object]] = []
        self._stopped = False

    def run(self, argv: list[str], timeout_s: float) -> ToolRun:
        """Run to the end. `Inconclusive` if the tool is not installed, hangs, or was stopped."""
        self.require(argv[0])
        started = time.monotonic()
        process = self._start(argv)
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Inconclusive(
                f"{argv[0]} did not end within {timeout_s:.0f} s and was killed"
            ) from None
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode == -signal.SIGKILL:
            raise Inconclusive(f"{argv[0]} was killed before it ended")
        seconds = time.monotonic() - started
        return ToolRun(tuple(argv), process.returncode, stdout, stderr, seconds)

    def require(self, program: str) -> None:
        """Raise `Inconclusive` unless the program is installed."""
        if shutil.which(program) is None:
            raise Inconclusive(
                f"{program} is not installed here, so this proof is missing; `mountproof doctor` "
                "says how to get it"
            )

    @contextmanager
    def stoppable(self, kill: Callable[[], object]) -> Iterator[None]:
        """Let `stop` call `kill` while the block runs, for what is not started by `run`."""
        with self._lock:
            if self._stopped:
                raise Inconclusive("the proof was stopped")
            self._kills.append(kill)
        try:
            yield
        finally:
            with self._lock:
                self._kills.remove(kill)

    def _start(self, argv: list[str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise Inconclusive(f"{argv[0]} was not started: the proof was stopped")
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="backslashreplace",
            )
            self._running.add(process)
        return process

    def stop(self) -> None:
        """Kill what runs and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()
            for kill in self._kills:
                kill()
