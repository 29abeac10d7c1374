"""Is an image one that the volume could have shown after a crash? Kept up as the image changes.

The rule (protocol.md, the oracle's judgement): each page must show an entry at or above its floor;
it is read as the oldest such one. `latest` is the newest rank among all readings. Every entry that
was settled before `latest`, and everything owed, raises the floor of its pages; repeat until
nothing rises. Floors and `latest` only rise, so a change of the image costs its pages and what it
newly demands: each entry is demanded once.

An image that only moves forward is judged exactly. Where a page went back, floors that stay may
demand too much: a breach is therefore always judged again from nothing (`judge_afresh`), and only
what that finds is told.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from harness.checkers.history import SIZE, Entry, History

__all__ = ["ImageJudge", "judge_afresh"]


class ImageJudge:
    """One image, seen through the first `end` pages; pages that are bytes are footers: no data.

    `wrong` is the page that nothing explains (None: all is well), `told` whether that was reported;
    `demanded` counts the entries that were demanded.
    """

    __slots__ = ("demanded", "end", "excused", "floor", "history", "image", "latest", "owing",
                 "settling", "size", "told", "wrong")  # fmt: skip

    def __init__(
        self,
        history: History,
        image: dict[int, object],
        size_bytes: int,
        excused: Collection[int] = (),
    ) -> None:
        self.history = history
        self.image = image
        self.size = size_bytes
        self.end = size_bytes // 512
        self.excused = excused
        self.floor: dict[int, int] = {}
        self.latest = 0
        self.settling = 0
        self.owing = 0
        self.demanded = 0
        self.wrong: int | None = None
        self.told = False

    def shows(self, page: int) -> object | None:
        """The value of a page, or the size."""
        if page == SIZE:
            return self.size
        value = self.image.get(page) if page < self.end else None
        return None if value == 0 or isinstance(value, bytes) else value

    def changed(self, pages: Iterable[int]) -> None:
        """These pages of the image have changed; to be followed by `settle`."""
        floor, image, end = self.floor, self.image, self.end
        by_op, base = self.history.by_op, self.history.base
        latest = 0
        for page in pages:
            key: Any = page  # compiled, a number becomes an object once, and not at each look
            value = image.get(key)
            low = floor.get(key, 0)
            if value is None:
                if not low and key not in base:
                    continue
            elif type(value) is int and page < end:
                entry = by_op.get(value)
                if entry is not None and entry.first <= page < entry.end and entry.rank >= low:
                    latest = max(latest, entry.rank)
                    continue
            self._read(page, low)
        self.latest = max(self.latest, latest)

    def settle(self, owed: Sequence[Entry]) -> None:
        """Demand what is owed, and all that was settled before the latest reading."""
        settled = self.history.settled
        while self.owing < len(owed):
            entry = owed[self.owing]
            self.owing += 1
            self.demand(entry)
            if entry.kind == "zero":
                # Of its pages those that never held anything are read as nothing but this trim.
                self.latest = max(self.latest, entry.rank)
        while self.settling < len(settled) and settled[self.settling].settled < self.latest:
            self.settling += 1
            self.demand(settled[self.settling - 1])

    def demand(self, entry: Entry) -> None:
        """No page of the entry may show anything older."""
        self.demanded += 1
        rank, value = entry.rank, entry.value
        floor, image, end = self.floor, self.image, self.end
        plain = entry.kind == "write"
        for page in entry.cells:
            key: Any = page  # as in `changed`
            if floor.get(key, 0) < rank:
                floor[key] = rank
                if plain and page < end and image.get(key) == value:
                    self.latest = max(self.latest, rank)
                else:
                    self._read(page, rank)

    def resized(self, size_bytes: int) -> None:
        """The disk has another size now; to be followed by `settle`."""
        before = self.end
        self.size = size_bytes
        self.end = size_bytes // 512
        low, high = sorted((before, self.end))
        self._read(SIZE, self.floor.get(SIZE, 0))
        self.changed(self.history.touched_in(low, high))

    def _read(self, page: int, floor: int) -> None:
        """Read a page as weakly as possible."""
        rank = self.history.lowest(page, self.shows(page), floor)
        if rank > self.latest:
            self.latest = rank
        elif rank < 0 and self.wrong is None and not self.excuses(page, self.shows(page)):
            self.wrong = page

    def excuses(self, page: int, value: object | None) -> bool:
        """Whether this is what rotted at rest: nothing that the system wrote."""
        return page in self.excused and self.history.highest(page, value) < 0


def judge_afresh(
    history: History,
    image: dict[int, object],
    size_bytes: int,
    owed: Sequence[Entry],
    excused: Collection[int] = (),
) -> ImageJudge:
    """Judge an image from nothing."""
    judge = ImageJudge(history, image, size_bytes, excused)
    judge.changed(image)
    base = history.base
    if len(base):
        judge.changed([page for page in base if page not in image])
    judge.resized(size_bytes)
    judge.settle(owed)
    return judge
