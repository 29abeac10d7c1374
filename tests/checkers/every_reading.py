"""Admissibility once more, by trying every reading of every page: slow, short and independent."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

NEVER = 1 << 60


@dataclass
class Thing:
    """A write, a trim (value None) or a loss: what it put to which pages, and when."""

    puts: dict[int, int | None]
    begun: int
    ended: int = NEVER
    settled: int = NEVER
    owed: bool = False


@dataclass
class Story:
    """All things that happened to a volume of a few pages; `base` is what it held before."""

    base: dict[int, int | None]
    by_flush: bool
    things: list[Thing] = field(default_factory=list)
    at: int = 0

    def tick(self) -> int:
        self.at += 1
        return self.at

    def begin(self, puts: dict[int, int | None]) -> Thing:
        self.things.append(Thing(puts, self.tick()))
        return self.things[-1]

    def end(self, thing: Thing, *, forced: bool, owed: bool) -> None:
        thing.ended, thing.owed = self.tick(), owed
        if forced or not self.by_flush:
            thing.settled = thing.ended

    def flush(self, begun: int) -> None:
        now = self.tick()
        for thing in self.things:
            if thing.ended < begun:
                thing.settled = min(thing.settled, now)

    def lose(self, puts: dict[int, int | None]) -> None:
        lost = self.begin(puts)
        lost.ended = lost.settled = lost.begun

    def admissible(self, image: dict[int, int | None], *, owed: bool) -> bool:
        pages = sorted(self.base)
        choices = [list(self._readings(page, image.get(page))) for page in pages]
        return any(
            self._keeps(dict(zip(pages, reading, strict=True)), owed=owed)
            for reading in product(*choices)
        )

    def _readings(self, page: int, shown: int | None) -> Iterator[int]:
        if self.base[page] == shown:
            yield 0
        for thing in self.things:
            if page in thing.puts and thing.puts[page] == shown:
                yield thing.begun

    def _keeps(self, reading: dict[int, int], *, owed: bool) -> bool:
        latest = max(reading.values())
        return all(
            all(reading[page] >= thing.begun for page in thing.puts)
            for thing in self.things
            if thing.settled < latest or (owed and thing.owed)
        )
