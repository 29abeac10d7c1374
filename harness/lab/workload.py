"""The primary's guest at work: what it wrote, what it was told is safe, and when.

A thread reads the guest's port from start to end, so the time stamps are those of arrival and
nothing is lost: after the kill the lines that the guest had sent are still drained.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from harness.errors import Inconclusive
from harness.lab.waiting import StopSignal

__all__ = ["Amount", "Guest", "LedgerProgress", "PortLine", "RawProgress", "Workload"]

READ_S: Final = 0.25
DRAIN_S: Final = 60.0


class PortLine(Protocol):
    """One line of the guest's port, stamped with CLOCK_MONOTONIC seconds at its arrival."""

    @property
    def at(self) -> float:
        """When it arrived."""
        ...

    @property
    def text(self) -> str:
        """The line, without its end."""
        ...


class Guest(Protocol):
    """What the lab needs of a started virtual machine (harness.guest.vm.GuestVm)."""

    @property
    def evidence(self) -> str:
        """QEMU's command line as it was run, redacted."""
        ...

    def next_line(self, timeout_s: float) -> PortLine | None:
        """The port's next line; None after the last one; `TimeoutError` if none came in time."""
        ...

    def say(self, text: str) -> None:
        """Give the guest's own program a command."""
        ...

    def follow_size(self, size_bytes: int) -> None:
        """Tell the machine that its disk has another size now."""
        ...

    def kill(self) -> float:
        """SIGKILL; returns the time. What the guest had said before can still be read."""
        ...


class LedgerProgress:
    """Entries begun and acknowledged. The guest begins an entry when the one before is safe."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.acks: list[tuple[float, int, str]] = []
        self.begun = 0

    def take(self, at: float, text: str) -> None:
        """One line of the port; others than `beg` and `ack` are passed over."""
        words = text.split()
        if len(words) == 3 and words[0] == "ack":
            self.acks.append((at, int(words[1]), words[2]))
        elif len(words) == 2 and words[0] == "beg":
            self.begun = int(words[1])

    @property
    def acknowledged(self) -> int:
        """How many entries were acknowledged."""
        return len(self.acks)

    @property
    def in_flight(self) -> int:
        """1 while an entry is begun and not acknowledged."""
        return int(self.begun > (self.acks[-1][1] if self.acks else 0))


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes written, and the same with each write rounded out to 4 KiB pages of the kernel."""

    bytes: int = 0
    page_bytes: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(self.bytes + other.bytes, self.page_bytes + other.page_bytes)


class RawProgress:
    """Writes of self-describing pages: counted here, judged later from the lines themselves."""

    def __init__(self) -> None:
        self.invoked = 0
        self.acknowledged = 0
        self.failed = 0
        self.done = Amount()
        """What was completed; a write that was only announced may never have been made."""
        self._open: dict[str, Amount] = {}

    def take(self, at: float, text: str) -> None:
        """One line of the port; others than `inv`, `done` and `fail` are passed over."""
        del at
        words = text.split()
        if not words:
            return
        if words[0] == "inv" and len(words) >= 4:
            offset, length = int(words[2]), int(words[3])
            pages = -(-(offset + length) // 4096) * 4096 - offset // 4096 * 4096
            self.invoked += 1
            self._open[words[1]] = Amount(length, pages)
        elif words[0] == "done" and len(words) == 2:
            self.acknowledged += 1
            self.done += self._open.pop(words[1], Amount())
        elif words[0] == "fail" and len(words) >= 2:
            self.failed += 1
            self._open.pop(words[1], None)

    @property
    def in_flight(self) -> int:
        """Writes invoked and neither done nor failed."""
        return self.invoked - self.acknowledged - self.failed

    def pending(self, most: int) -> list[Amount]:
        """Writes in flight, the largest first, no more than the guest ever has at once."""
        return sorted(self._open.values(), key=lambda amount: -amount.page_bytes)[:most]


class Workload:
    """A guest and the reader of its port."""

    def __init__(self, guest: Guest, progress: LedgerProgress | RawProgress) -> None:
        self.guest = guest
        self.progress = progress
        self.lines: list[tuple[float, str]] = []
        self.trouble = ""
        self.ready_at: float | None = None
        self._strike: tuple[float, Callable[[], None]] | None = None
        self._thread = threading.Thread(target=self._read, name="workload", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """The guest is gone and everything it said was read."""
        return not self._thread.is_alive()

    def wait_ready(self, stop: StopSignal, timeout_s: float) -> None:
        """Until the guest says `ready`; `Inconclusive` if it ends before, or says nothing."""

        def decided() -> bool:
            return self.ready_at is not None or self.ended

        stop.until(decided, timeout_s, f"the primary guest's start {self.trouble}".strip())
        if self.ready_at is None:
            raise Inconclusive(
                f"the primary guest ended before it was ready {self.trouble}".strip()
            )

    def said_since(self, mark: int, word: str) -> str | None:
        """The first of the lines after the first `mark` ones that begins with `word`."""
        found = (text for _at, text in self.lines[mark:] if text.partition(" ")[0] == word)
        return next(found, None)

    def strike_in_flight(self, delay_s: float, act: Callable[[], None]) -> None:
        """Call `act` `delay_s` after the guest's next line that leaves a write in flight.

        It is called in the reader's thread, at once: on its way through a waiting thread the write
        might complete.
        """
        self._strike = (delay_s, act)

    def kill(self) -> float:
        """SIGKILL the guest."""
        return self.guest.kill()

    def drain(self) -> None:
        """After the kill: read what the guest had sent; `Inconclusive` if that does not end."""
        self._thread.join(DRAIN_S)
        if self._thread.is_alive():
            raise Inconclusive(
                f"the guest's port was not read to its end within {DRAIN_S:g} s of its kill: what"
                " it acknowledged is not known"
            )

    def save(self, place: Path) -> None:
        """Write the port's lines with their times (monotonic seconds)."""
        with place.open("w", encoding="utf-8") as file:
            file.writelines(f"{at:.6f} {text}\n" for at, text in self.lines)

    def _read(self) -> None:
        while True:
            try:
                line = self.guest.next_line(READ_S)
            except TimeoutError:
                continue
            if line is None:
                return
            self.lines.append((line.at, line.text))
            if line.text.startswith("ready"):
                self.ready_at = line.at
            elif line.text.startswith("error"):
                self.trouble = line.text
            self.progress.take(line.at, line.text)
            if self._strike is not None and self.progress.in_flight:
                (delay_s, act), self._strike = self._strike, None
                time.sleep(delay_s)
                act()
