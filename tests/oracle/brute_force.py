"""The oracle's rules once more, by trying every reading: slow, short and independent."""

from itertools import product

from harness.oracle.history import NEVER, History, Order
from harness.oracle.loss import LossRule


def settled_before(history: History, order: Order, earlier: int, later: int) -> bool:
    """Tell whether write `earlier` was settled before write `later` was invoked."""
    first, second = history.writes[earlier - 1], history.writes[later - 1]
    if order == "strict" or first.kind == "fua":
        return first.completed < second.invoked
    return any(
        first.completed < flush.invoked and flush.completed < second.invoked
        for flush in history.flushes
    )


def owed(history: History, rule: LossRule) -> set[int]:
    """Numbers of the writes that must not be lost."""
    found = set()
    for write in history.writes:
        if write.completed == NEVER:
            continue
        covered = write.kind == "fua" or any(
            write.completed < flush.invoked and flush.completed != NEVER
            for flush in history.flushes
        )
        if (
            rule.mode == "sync"
            or (rule.mode == "sync-on-flush" and covered)
            or (rule.mode == "async" and write.completed_s < rule.failed_s - rule.rpo_s)
        ):
            found.add(write.number)
    return found


def readings(history: History, page: int, shown: int) -> list[int]:
    """Every write that may have put the value which `page` shows; 0 is the initial state."""
    covering = [w for w in history.writes if w.first_page <= page < w.end_page]
    if shown == 0:
        return [0] + [w.number for w in covering if w.kind == "zero"]
    return [w.number for w in covering if w.number == shown and w.kind != "zero"]


def admissible(shown: list[int], history: History, order: Order, must: set[int]) -> bool:
    """Tell whether some reading of all pages keeps order and loses nothing that is owed."""
    choices = [readings(history, page, value) for page, value in enumerate(shown)]
    return any(_keeps(reading, history, order, must) for reading in product(*choices))


def _keeps(reading: tuple[int, ...], history: History, order: Order, must: set[int]) -> bool:
    for write in history.writes:
        demanded = write.number in must or any(
            settled_before(history, order, write.number, later) for later in set(reading) if later
        )
        pages = range(write.first_page, write.end_page)
        if demanded and any(reading[page] < write.number for page in pages):
            return False
    return True
