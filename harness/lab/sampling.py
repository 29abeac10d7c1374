"""Looks at a running system: its status, and the live blob as a stranger sees it.

A look at the blob reads its size, first and last sector over HTTP with a read-only SAS and judges
them with the strict validator; every tenth look also has QEMU open it. It takes no snapshot and no
lease: it sees what a consumer who came at that instant would be given, which is a snapshot while
the system designates one.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Final, Self

from harness.adapter import SystemStatus
from harness.errors import Inconclusive
from harness.judge.facts import ConsumableSample
from harness.lab.designated import DesignatedDisk, Sizes, look_at_disk
from harness.lab.timeline import Timeline
from harness.redaction import redact

__all__ = ["BlobLooks", "Periodic", "StatusSamples"]

QEMU_EVERY: Final = 10
QEMU_TIMEOUT_S: Final = 10.0


class Periodic:
    """Calls `act` every `interval_s` in a thread of its own until closed.

    An exception of `act` ends it and is kept in `failure`.
    """

    def __init__(self, name: str, interval_s: float, act: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        self._act = act
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._act()
            except Exception as error:  # noqa: BLE001 - a thread's failure has no other way out
                self.failure = error
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(QEMU_TIMEOUT_S + 1)


class StatusSamples:
    """The system's own status over time."""

    def __init__(self, ask: Callable[[], SystemStatus | None]) -> None:
        self._ask = ask
        self.samples: list[SystemStatus] = []

    def take(self) -> SystemStatus | None:
        """Ask once; silence is no sample."""
        status = self._ask()
        if status is not None:
            self.samples.append(status)
        return status

    @property
    def last(self) -> SystemStatus | None:
        """The newest."""
        return self.samples[-1] if self.samples else None

    @property
    def max_lag_s(self) -> float | None:
        """Largest lag while protected."""
        lags = [s.lag_s for s in self.samples if s.protected and s.lag_s is not None]
        return max(lags, default=None)


class BlobLooks:
    """Looks at the designated disk under load."""

    def __init__(
        self,
        disk: DesignatedDisk,
        sizes: Sizes,
        timeline: Timeline,
        last_status: Callable[[], SystemStatus | None],
    ) -> None:
        self._disk = disk
        self._sizes = sizes
        self._timeline = timeline
        self._last_status = last_status
        self.samples: list[ConsumableSample] = []

    def take(self) -> None:
        """Look once."""
        status = self._last_status()
        began = time.monotonic()
        with_qemu = len(self.samples) % QEMU_EVERY == QEMU_EVERY - 1
        try:
            ok, reason, snapshot = self._disk.look(
                _both_look if with_qemu else look_at_disk, self._sizes
            )
        except Inconclusive as error:
            ok, reason, snapshot = None, str(error), ""
        self.samples.append(
            ConsumableSample(
                at_s=self._timeline.since_start(began),
                moment="load",
                ok=ok,
                reason=reason,
                provers=["validator", "qemu-img"] if with_qemu else ["validator"],
                writes_in_flight=(status.in_flight or 0) if status is not None else 0,
                snapshot=snapshot,
            )
        )


def _both_look(url: str, sizes: Collection[int]) -> tuple[bool | None, str]:
    ok, reason = look_at_disk(url, sizes)
    return _qemu_opens(url, sizes) if ok else (ok, reason)


def _qemu_opens(url: str, sizes: Collection[int]) -> tuple[bool | None, str]:
    command = ["qemu-img", "info", "--output=json", "-f", "vpc", url]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=QEMU_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"qemu-img could not look: {type(error).__name__}"
    if done.returncode != 0:
        return False, redact(f"qemu-img: {done.stderr.strip()}")
    size = json.loads(done.stdout).get("virtual-size")
    if size not in sizes:
        return False, f"qemu-img sees {size} bytes, another size than the volume's"
    return True, ""
