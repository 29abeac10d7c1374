"""Looks at a running system: its status, and the live blob as a stranger sees it.

A look at the blob reads its size, first and last sector over HTTP with a read-only SAS and judges
them with the strict validator; every tenth look also has QEMU open the blob. It takes no snapshot
and no lease: it sees what a consumer who came at that instant would see.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from harness.adapter import SystemStatus
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.source import open_disk
from harness.disk.validator import validate
from harness.errors import Inconclusive, UsageError
from harness.judge.facts import ConsumableSample
from harness.lab.timeline import Timeline
from harness.redaction import redact

__all__ = ["BlobLooks", "Periodic", "StatusSamples", "look_at_blob"]

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
    """Looks at the live blob under load."""

    def __init__(
        self,
        url: str,
        size_bytes: int,
        timeline: Timeline,
        last_status: Callable[[], SystemStatus | None],
    ) -> None:
        self._url = url
        self._size = size_bytes
        self._timeline = timeline
        self._last_status = last_status
        self.samples: list[ConsumableSample] = []

    def take(self) -> None:
        """Look once."""
        status = self._last_status()
        began = time.monotonic()
        with_qemu = len(self.samples) % QEMU_EVERY == QEMU_EVERY - 1
        ok, reason = look_at_blob(self._url, self._size)
        if ok and with_qemu:
            ok, reason = _qemu_opens(self._url, self._size)
        self.samples.append(
            ConsumableSample(
                at_s=self._timeline.since_start(began),
                moment="load",
                ok=ok,
                reason=reason,
                provers=["validator", "qemu-img"] if with_qemu else ["validator"],
                writes_in_flight=(status.in_flight or 0) if status is not None else 0,
            )
        )


def look_at_blob(url: str, size_bytes: int) -> tuple[bool | None, str]:
    """Tell whether it is a valid VHD of that size for every consumer; None: could not look."""
    try:
        disk = open_disk(url)
        try:
            layout = validate(disk)
        finally:
            disk.close()
    except (Inconclusive, UsageError) as error:
        return None, str(error)
    if layout.is_bad_for(ALL_CONSUMERS):
        condemned = [f.sentence for f in layout.findings if f.condemns(ALL_CONSUMERS)]
        return False, " ".join(condemned)
    if layout.size_bytes != size_bytes:
        return False, f"the disk has {layout.size_bytes} bytes, the volume {size_bytes}"
    return True, ""


def _qemu_opens(url: str, size_bytes: int) -> tuple[bool | None, str]:
    command = ["qemu-img", "info", "--output=json", "-f", "vpc", url]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=QEMU_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"qemu-img could not look: {type(error).__name__}"
    if done.returncode != 0:
        return False, redact(f"qemu-img: {done.stderr.strip()}")
    if f'"virtual-size": {size_bytes}' not in done.stdout:
        return False, f"qemu-img sees another size than {size_bytes} bytes"
    return True, ""
