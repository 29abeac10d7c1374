"""A guest as a process: start QEMU, hear what the agent says, kill it, wait for its end.

The agent's lines come over a virtio-serial port whose other end is a socket pair, so that what the
guest has said is still read after QEMU was killed. Every line is stamped with CLOCK_MONOTONIC
when it is read.
"""

import os
import queue
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from harness.errors import Inconclusive, MountproofError
from harness.guest.disks import Blockdev
from harness.guest.monitor import Monitor, swap_disk
from harness.guest.qemu_command import (
    GuestPlan,
    command_line,
    public_configuration,
    secret_configuration,
)
from harness.redaction import redact

# The kernel kills QEMU when the thread that started it ends, however we die.
LEASH: Final = ("setpriv", "--pdeathsig", "KILL", "--")
END_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class GuestLine:
    """One line of the guest: when it was read (seconds, CLOCK_MONOTONIC), and its text."""

    at: float
    text: str


class GuestVm:
    """One run of one guest. Use it as a context manager: the machine never outlives the block.

    Start it from a thread that lives as long as the guest shall live: QEMU is tied to it.
    """

    def __init__(self, plan: GuestPlan) -> None:
        self.plan = plan
        self.started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[GuestLine | None] = queue.SimpleQueue()
        self._arguments: list[str] = []
        self._errors_path = plan.console_log.with_suffix(".qemu.log")
        self._ended = False
        self._port: socket.socket | None = None
        self._monitor: Monitor | None = None
        self._connections = 0

    def start(self) -> None:
        """Start the machine; the first line comes 2 to 4 s later (TCG)."""
        assert self._process is None, "a GuestVm runs once"
        ours, theirs = socket.socketpair()
        asking, answering = socket.socketpair()
        configuration, text = os.pipe(), secret_configuration(self.plan.disks)
        inherited = (theirs.fileno(), configuration[0], answering.fileno())
        try:
            self._arguments = command_line(self.plan, *inherited)
            self._fill(configuration[1], text)
            self.started_at = time.monotonic()
            self._process = self._spawn(inherited)
        except BaseException:
            ours.close()
            asking.close()
            raise
        finally:
            theirs.close()
            answering.close()
            os.close(configuration[0])
        self._port, self._monitor = ours, Monitor(asking)
        threading.Thread(target=self._read, args=(ours,), daemon=True, name="guest-port").start()

    @staticmethod
    def _fill(descriptor: int, text: str) -> None:
        # A few KiB at most, less than any pipe holds, so this cannot wait for a reader.
        with os.fdopen(descriptor, "w", encoding="utf-8") as pipe:
            pipe.write(text)

    def _spawn(self, inherited: tuple[int, int, int]) -> subprocess.Popen[bytes]:
        self.plan.console_log.parent.mkdir(parents=True, exist_ok=True)
        with self._errors_path.open("wb") as errors:
            try:
                return subprocess.Popen(
                    [*LEASH, *self._arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    pass_fds=inherited,
                    start_new_session=True,  # an interrupt at the terminal is for us to handle
                )
            except FileNotFoundError:
                raise Inconclusive(
                    "no guest can be started: setpriv (package util-linux) is not installed."
                ) from None

    def _read(self, ours: socket.socket) -> None:
        with ours, ours.makefile("rb") as stream:
            self._read_lines(stream)
        self._lines.put(None)

    def _read_lines(self, stream: IO[bytes]) -> None:
        try:
            for raw in stream:
                if raw.endswith(b"\n"):  # a last line that was cut off says nothing
                    text = raw.decode("utf-8", "replace").rstrip()
                    self._lines.put(GuestLine(time.monotonic(), text))
        except ConnectionResetError:  # QEMU was killed: everything it had sent was read before
            pass

    @property
    def pid(self) -> int:
        """Return QEMU's process id."""
        return self._running().pid

    @property
    def command_line(self) -> list[str]:
        """Return QEMU's arguments as they were run, for the evidence; they hold no credential."""
        return [redact(word) for word in self._arguments]

    @property
    def evidence(self) -> str:
        """Return the command line as one shell line and the redacted configuration behind it."""
        configuration = public_configuration(self.plan.disks)
        shown = f"\n# read from the pipe of -readconfig:\n{configuration}" if configuration else ""
        return f"{shlex.join(self.command_line)}\n{shown}"

    @property
    def complaints(self) -> str:
        """Return what QEMU printed itself, redacted."""
        try:
            return redact(self._errors_path.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return ""

    def next_line(self, timeout_s: float) -> GuestLine | None:
        """Return the next line, or None after the last one.

        Raises `TimeoutError` if none came in `timeout_s` seconds.
        """
        if self._ended:
            return None
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"the guest said nothing for {timeout_s:.1f} s") from None
        self._ended = line is None
        return line

    def lines(self, timeout_s: float) -> Iterator[GuestLine]:
        """Yield lines until the machine ends.

        Raises `TimeoutError` if the whole takes longer than `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while (line := self.next_line(max(0.0, deadline - time.monotonic()))) is not None:
            yield line

    def wait_for(self, word: str, timeout_s: float) -> GuestLine:
        """Return the first line that starts with `word`; earlier ones are dropped.

        Raises `Inconclusive` with what the guest said instead.
        """
        said: list[str] = []
        try:
            for line in self.lines(timeout_s):
                if line.text.split(" ", 1)[0] == word:
                    return line
                said.append(line.text)
        except TimeoutError:
            reason = f"in {timeout_s:.0f} s"
        else:
            reason = "before it ended"
        raise Inconclusive(
            f"the {self.plan.role} guest did not say {word!r} {reason}. It said: "
            f"{said[-3:]}. QEMU: {self.complaints[-400:]!r}; see {self.plan.console_log.name}."
        )

    def say(self, text: str) -> None:
        """Send the agent a line; `Inconclusive` if the guest is gone."""
        try:
            assert self._port is not None, "start() comes first"
            self._port.sendall(f"{text}\n".encode())
        except OSError as error:
            raise Inconclusive(f"the guest heard nothing: {error.strerror}") from error

    def follow_size(self, size_bytes: int, connection: Blockdev | None = None) -> None:
        """Give the first disk a new connection and tell the kernel the disk's new size.

        QEMU's NBD driver learns a size only when it connects, so the running disk moves to a new
        `connection` (an NBD node; None: the same export again). The old one is given up first, as
        an export may be for one client at a time; the machine stands still meanwhile, with what
        was in flight finished. For plans that are `monitored` only.
        """
        assert self.plan.monitored, "this guest has no monitor"
        assert self._monitor is not None, "start() comes first"
        if connection is None:
            (connection,) = [c for c in self.plan.disks[0].blockdev.values() if isinstance(c, dict)]
        self._connections += 1
        swap_disk(self._monitor, self._connections, connection, size_bytes)

    def kill(self) -> float:
        """Send SIGKILL, as a power cut would; return the CLOCK_MONOTONIC second of it.

        Lines sent before are still to be read.
        """
        process = self._running()
        at = time.monotonic()
        process.kill()
        return at

    def wait(self, timeout_s: float) -> int:
        """Return QEMU's exit status (negative: the signal); `TimeoutError` if it still runs."""
        try:
            return self._running().wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the guest still runs after {timeout_s:.1f} s") from None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise MountproofError("the guest was not started; call start() first.")
        return self._process

    def __enter__(self) -> Self:
        """Start the machine."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Make sure that the machine is gone."""
        process = self._running()
        if process.poll() is None:
            process.kill()
        process.wait(END_SECONDS)
        if self._monitor is not None:
            self._monitor.close()


def guest_log(folder: Path, name: str) -> Path:
    """Return where a guest's console log belongs in an evidence folder."""
    return folder / f"{name}.console.log"
