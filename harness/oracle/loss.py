"""What a recovery must not lose, and what it did lose.

sync: every acknowledged write is owed. sync-on-flush: every write that a completed flush or its own
FUA covers. async: every write acknowledged longer before the failure than the RPO.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.oracle.history import NEVER, Columns, History
from harness.oracle.pages import PAGE_BYTES

__all__ = ["Loss", "LossRule", "Mode", "measure_loss", "owed_writes", "paint"]

Mode = Literal["sync", "sync-on-flush", "async"]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64] | NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LossRule:
    """The mode, the instant of the failure, and the RPO (async only); seconds of the history.

    Writes acknowledged before `protected_s` are owed by nobody: protection had not begun.
    """

    mode: Mode
    failed_s: float
    rpo_s: float = 0.0
    protected_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Loss:
    """Acknowledged writes of which a page shows something older; the age is at the failure.

    Zeroes count in the replicator's favour: they may be those of the newest trim of their page.
    """

    writes: int = 0
    bytes: int = 0
    oldest_age_s: float = 0.0
    oldest_write: int = 0


def owed_writes(history: History, columns: Columns, rule: LossRule) -> Mask:
    """Tell for each write whether it must not be lost."""
    owed: Mask = (columns.completed != NEVER) & (columns.completed_s >= rule.protected_s)
    if rule.mode == "sync-on-flush":
        owed &= history.settled("flush", columns) != NEVER
    elif rule.mode == "async":
        owed &= columns.completed_s < rule.failed_s - rule.rpo_s
    return owed


def paint(columns: Columns, mask: Mask, pages: int) -> NDArray[np.int32]:
    """Give for each page the number of the newest write in `mask` that covers it; 0 if none."""
    newest = np.zeros(pages, dtype=np.int32)
    first, end = columns.first, columns.end
    for index in np.flatnonzero(mask).tolist():
        newest[first[index] : end[index]] = index + 1
    return newest


def measure_loss(history: History, columns: Columns, shown: Numbers, rule: LossRule) -> Loss:
    """Measure what was acknowledged and is not in the image.

    An acknowledgement that was read after the failure had been sent before it: it counts.
    """
    newest: Numbers = shown
    if columns.zero.any():
        newest = np.where(shown == 0, paint(columns, columns.zero, len(shown)), shown)
    counted = columns.completed != NEVER
    short = newest < paint(columns, counted, len(shown))
    if not short.any():
        return Loss()
    counted[: newest[short].min()] = False
    lost = []
    for index in np.flatnonzero(counted):
        write = history.writes[index]
        if (newest[write.first_page : write.end_page] < write.number).any():
            lost.append(write)
    oldest = min(lost, key=lambda write: write.completed_s)
    return Loss(
        writes=len(lost),
        bytes=sum(write.pages for write in lost) * PAGE_BYTES,
        oldest_age_s=max(0.0, rule.failed_s - oldest.completed_s),
        oldest_write=oldest.number,
    )
