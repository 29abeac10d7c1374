"""The oracle's judgement: could a crash of the volume itself have left this image?

Three rules. Provenance: each page holds zeroes or a whole page of some write to that place. Order:
if the image shows write r, then for every write q that was settled before r was invoked, no page of
q shows anything older than q (settled: completed under `strict`; under `flush`, covered by a
completed flush, or FUA). Loss: what the mode owes is there. The floor of a page is the oldest write
that it may show. Start with what is owed; read each page as the *lowest* write at or above its
floor that explains it (only zeroes are ambiguous: untouched, or any trim); let `latest` be the last
invocation among what was read; every write settled before `latest` raises the floor of its pages;
repeat until nothing rises. Values are unique, so this is polynomial, and each round is bulk work.

What it does not verify: anything outside the pages given to it (footer, size of the blob), other
volumes of a group, data that the workload never wrote, and reads that the workload made.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.oracle.findings import Finding, provenance_finding, size_finding, stale_finding
from harness.oracle.history import Columns, History, Order
from harness.oracle.loss import Loss, LossRule, Mask, measure_loss, owed_writes, paint

__all__ = ["Judgement", "judge_image"]

Numbers = NDArray[np.int64] | NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the oracle says about one image.

    `unusable` is why the history cannot carry a judgement (empty: it can). `finding` breaks
    provenance or order; `loss_finding` breaks the loss rule. `writes_demanded` counts the writes
    that order or loss demanded: 0 means that nothing was exercised.
    """

    unusable: str = ""
    finding: Finding | None = None
    loss_finding: Finding | None = None
    loss: Loss = field(default_factory=Loss)
    writes_demanded: int = 0
    pages_checked: int = 0
    pages_written: int = 0

    @property
    def admissible(self) -> bool:
        """Nothing speaks against the image, and the history was fit to tell."""
        return not self.unusable and self.finding is None and self.loss_finding is None


def judge_image(shown: Numbers, history: History, order: Order, rule: LossRule) -> Judgement:
    """Judge an image that harness.oracle.pages decoded."""
    pages, written = len(shown), int(np.count_nonzero(shown))
    columns = history.columns()
    finding = _misplaced(shown, history, columns)
    if finding is not None:
        return Judgement(finding=finding, pages_checked=pages, pages_written=written)
    announced = len(history.writes)
    newest = int(shown.max(initial=0))
    if newest > announced:
        why = f"the image shows write {newest}, of {announced} announced: announcements were lost"
        return Judgement(unusable=why, pages_checked=pages, pages_written=written)
    if not announced:
        return Judgement(unusable="the workload wrote nothing", pages_checked=pages)
    # No number is above those announced: half the memory does.
    shown = shown.astype(np.int32)
    search = _Search(shown, history, columns, order)
    finding = None
    loss_finding, demanded = search.run(owed_writes(history, columns, rule))
    if loss_finding is not None:
        finding, by_order = search.run(np.zeros(announced, dtype=np.bool_))
        if finding is not None:
            # Order alone forbids it, whatever the mode owes.
            loss_finding, demanded = None, by_order
    return Judgement(
        finding=finding,
        loss_finding=loss_finding,
        loss=measure_loss(history, columns, shown, rule),
        writes_demanded=demanded,
        pages_checked=pages,
        pages_written=written,
    )


def _misplaced(shown: Numbers, history: History, columns: Columns) -> Finding | None:
    """Check size and provenance; numbers never announced are left to the caller."""
    first = np.array([0, *columns.first], dtype=np.int64)
    end = np.array([len(shown), *columns.end], dtype=np.int64)
    longest = int(end.argmax())
    if longest:
        return size_finding(len(shown), history.writes[longest - 1])
    end[1:][columns.zero] = 0
    if not len(shown):
        return None
    # Neighbours that show the same write are looked at together.
    begins = np.concatenate(([0], np.flatnonzero(shown[1:] != shown[:-1]) + 1))
    ends = np.append(begins[1:], len(shown))
    runs = shown[begins]
    known = np.where((runs < 0) | (runs >= len(first)), 0, runs)
    wrong = (runs < 0) | (begins < first[known]) | (ends > end[known])
    if not wrong.any():
        return None
    run = int(np.argmax(wrong))
    page = int(begins[run])
    if runs[run] >= 0 and page >= first[known[run]]:
        page = max(page, int(end[known[run]]))
    return provenance_finding(page, int(shown[page]), history)


class _Search:
    """The fixpoint over one image, with any set of owed writes."""

    def __init__(self, shown: Numbers, history: History, columns: Columns, order: Order) -> None:
        self.shown = shown
        self.history = history
        self.columns = columns
        self.order: Order = order
        self.settled = history.settled(order, columns)
        self.zeroes = [history.writes[index] for index in np.flatnonzero(columns.zero)]
        self.is_zero = np.concatenate(([True], columns.zero))
        self.empty = shown == 0
        self.has_empty = bool(self.empty.any())

    def run(self, owed: Mask) -> tuple[Finding | None, int]:
        """Raise the floors to their fixpoint; give the finding and how many writes it demanded."""
        newest = int(self.shown.max(initial=0))
        while True:
            latest = self.history.writes[newest - 1].invoked if newest else -1
            demanded = (self.settled < latest) | owed
            floor = paint(self.columns, demanded, len(self.shown))
            stale = self.shown < floor
            reading = 0
            if self.has_empty:
                stale &= ~self.empty
                reading, unexplained = self._read_zeroes(floor)
                stale[unexplained] = True
            if stale.any():
                page = int(np.argmax(stale))
                return self._tell(page, int(floor[page]), newest, latest), int(demanded.sum())
            if reading <= newest:
                return None, int(demanded.sum())
            newest = reading

    def _read_zeroes(self, floor: Numbers) -> tuple[int, NDArray[np.intp]]:
        """Read each zero page as its lowest trim at or above the floor.

        Gives the newest trim so read (0: none was needed), and the pages that nothing explains.
        """
        empty, at_floor = self.empty, self.is_zero[floor]
        newest = int(floor[empty & at_floor].max(initial=0))
        waiting = empty & ~at_floor
        if not waiting.any():
            return newest, np.flatnonzero(waiting)
        for write in self.zeroes:
            extent = slice(write.first_page, write.end_page)
            read = waiting[extent] & (floor[extent] < write.number)
            if read.any():
                waiting[extent] &= ~read
                newest = max(newest, write.number)
        return newest, np.flatnonzero(waiting)

    def _tell(self, page: int, demanded: int, newest: int, latest: int) -> Finding:
        write = self.history.writes[demanded - 1]
        ordered = self.settled[demanded - 1] < latest
        witness = self.history.writes[newest - 1] if ordered else None
        shown = int(self.shown[page])
        return stale_finding(page, shown, write, witness, self.history, self.order)
