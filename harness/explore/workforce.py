"""Who runs the chunks of a swarm: the interface, and worker processes on this machine.

A worker may die at any moment (a foreign core crashes the interpreter, the kernel is out of
memory): its chunk comes back as `Lost`, another worker takes its place, and the swarm goes on.
"""

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

import msgspec

from harness.compiled.launch import launch_command
from harness.explore.chunk import HUNG_SECONDS, Chunk
from harness.explore.worker import Reply, read_frame, write_frame

__all__ = ["LocalWorkers", "Lost", "Message", "Workforce"]

PATIENCE_SECONDS: Final = 3 * HUNG_SECONDS
"""A worker guards each disaster itself; one that cannot (stuck in C code) is killed after this."""
SECONDS_PER_DISASTER: Final = 0.25
DYING_SECONDS: Final = 5.0
LAST_WORDS_BYTES: Final = 2000


class Lost(msgspec.Struct, frozen=True):
    """A worker died, or was killed since it hung, while it had this chunk."""

    chunk: Chunk
    reason: str


Message = Reply | Lost


class Workforce(Protocol):
    """Takes chunks, reports on them in any order."""

    @property
    def room(self) -> int:
        """How many more chunks it wants now."""

    def submit(self, chunk: Chunk) -> None:
        """Have a chunk run."""

    def wait(self, seconds: float) -> Sequence[Message]:
        """What was reported; waits for at most so long if there is nothing yet."""

    def close(self) -> None:
        """End every worker; chunks under way are forgotten."""


class LocalWorkers:
    """Worker processes on this machine, one chunk each at a time.

    build: of the simulator, for them to run on; only where our own core is explored as it is.
    """

    def __init__(
        self, workers: int, *, patience: float = PATIENCE_SECONDS, build: Path | None = None
    ) -> None:
        self._command = launch_command("harness.explore.worker", build)
        self._patience = patience
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._selector = selectors.DefaultSelector()
        self._idle = [self._start() for _ in range(workers)]
        self._busy: list[_Worker] = []
        self._closed = False

    @property
    def room(self) -> int:
        """How many workers have nothing to do."""
        return len(self._idle)

    @property
    def pids(self) -> list[int]:
        """Process ids of those at work."""
        return [worker.process.pid for worker in self._busy]

    def submit(self, chunk: Chunk) -> None:
        """Hand a chunk to an idle worker."""
        worker = self._idle.pop()
        worker.chunk = chunk
        worker.until = time.monotonic() + self._patience + SECONDS_PER_DISASTER * chunk.count
        with suppress(BrokenPipeError):  # it died while idle: wait() hears of it by its answers
            write_frame(worker.tasks, msgspec.msgpack.encode(chunk))
        self._busy.append(worker)

    def wait(self, seconds: float) -> Sequence[Message]:
        """Reports of workers that are done, or dead."""
        ready = [cast("_Worker", key.data) for key, _ in self._selector.select(seconds)]
        messages = [self._hear(worker) for worker in ready if worker in self._busy]
        now = time.monotonic()
        overdue = [worker for worker in self._busy if worker.until < now]
        return messages + [self._bury(worker, "it hung") for worker in overdue]

    def close(self) -> None:
        """Kill the workers and reap them."""
        for worker in self._idle + self._busy:
            self._end(worker)
        self._idle, self._busy = [], []
        self._selector.close()
        self._said.close()

    def _hear(self, worker: "_Worker") -> Message:
        frame = read_frame(worker.answers)
        if frame is None:
            return self._bury(worker, "")
        self._busy.remove(worker)
        self._idle.append(worker)
        return cast(Reply, msgspec.msgpack.decode(frame, type=Reply))

    def _bury(self, worker: "_Worker", reason: str) -> Lost:
        self._busy.remove(worker)
        self._selector.unregister(worker.answers)
        status = self._end(worker, at_once=bool(reason))
        why = reason or (f"signal {-status}" if status < 0 else f"exit code {status}")
        self._idle.append(self._start())
        chunk = worker.chunk
        assert chunk is not None, "only who has a chunk is busy"
        return Lost(chunk, f"{why}{self._last_words()}")

    def _start(self) -> "_Worker":
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", *self._command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
        )  # fmt: skip
        worker = _Worker(process)
        self._selector.register(worker.answers, selectors.EVENT_READ, worker)
        return worker

    def _end(self, worker: "_Worker", *, at_once: bool = True) -> int:
        """Reap a worker; one that is dying by itself gets the time to, so that its status tells."""
        if not at_once:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(DYING_SECONDS)
        worker.process.kill()  # does nothing to a process that was waited for
        with suppress(BrokenPipeError):
            worker.tasks.close()
        worker.answers.close()
        return worker.process.wait()

    def _last_words(self) -> str:
        """The end of what workers said on standard error since the last death."""
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - LAST_WORDS_BYTES))
        words = self._said.read().decode("utf-8", "replace").strip()
        self._said.truncate(0)
        self._said.seek(0)
        return f"; it said: {words}" if words else ""


class _Worker:
    """A process, and the chunk that it has."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.tasks = cast(BinaryIO, process.stdin)
        self.answers = cast(BinaryIO, process.stdout)
        self.chunk: Chunk | None = None
        self.until = 0.0
