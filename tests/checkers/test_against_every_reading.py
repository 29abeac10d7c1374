"""The incremental judgement agrees with a search through all readings, after every single put."""

from hypothesis import given
from hypothesis import strategies as st

from harness.checkers.observation import BASE, Operation
from tests.checkers.every_reading import Story, Thing
from tests.checkers.history_run import Run

PAGES = 3
ACTION = st.tuples(
    st.sampled_from(["write", "zero", "end", "end", "flush", "put", "put", "put", "lose"]),
    st.integers(0, PAGES - 1),
    st.integers(0, 7),
    st.booleans(),
)


class Twins:
    """One history, told to the checkers and to the search."""

    def __init__(self, mode: str, order: str, held: int) -> None:
        base = {page: BASE + page for page in range(PAGES) if held >> page & 1}
        self.run = Run(mode=mode, order=order, base=base, rpo_us=1 << 50, rpo_bytes=1 << 50)
        self.story = Story({page: base.get(page) for page in range(PAGES)}, order == "flush")
        self.open: list[tuple[Operation, Thing]] = []
        self.flushes: list[tuple[Operation, int]] = []
        self.values: list[int | None] = [None, *base.values()]
        self.owing = mode == "sync"

    def act(self, what: str, page: int, pick: int, *, flag: bool) -> None:
        match what:
            case "write" | "zero":
                self.begin(what, page, 1 + pick % (PAGES - page), fua=flag)
            case "end":
                self.end(pick, promised=flag)
            case "flush":
                self.flush(complete=flag)
            case "put":
                self.put(page, self.values[pick % len(self.values)])
            case _:
                self.lose(page, pick)

    def begin(self, kind: str, page: int, pages: int, *, fua: bool) -> None:
        operation = self.run.begin(kind, page, pages, fua=fua)
        value = operation.op if kind == "write" else None
        thing = self.story.begin(dict.fromkeys(range(page, page + pages), value))
        self.open.append((operation, thing))
        if value is not None:
            self.values.append(value)

    def end(self, pick: int, *, promised: bool) -> None:
        if self.open:
            operation, thing = self.open.pop(pick % len(self.open))
            self.story.end(thing, forced=operation.fua, owed=promised and self.owing)
            self.run.end(operation, promised=promised)

    def flush(self, *, complete: bool) -> None:
        if not complete or not self.flushes:
            self.flushes.append((self.run.begin("flush"), self.story.tick()))
            return
        operation, begun = self.flushes.pop(0)
        self.story.flush(begun)
        self.run.end(operation, promised=False)

    def put(self, page: int, value: int | None) -> None:
        if value is None:
            self.run.clear(page)
        else:
            self.run.put(page, value)

    def lose(self, page: int, pick: int) -> None:
        """The page shows again what it had once."""
        had = [self.story.base[page]]
        had += [thing.puts[page] for thing in self.story.things if page in thing.puts]
        pages = {page: had[pick % len(had)]}
        self.story.lose(pages)
        self.run.panel.power_lost(0, pages)

    def verdicts(self) -> tuple[bool, bool]:
        """What the search says and what the checkers say: is something wrong by now?"""
        image = {p: v for p, v in self.run.blob.image().items() if isinstance(v, int)}
        wrong = not self.story.admissible(dict(image), owed=self.owing)
        told = self.run.claims() & {"crash-consistent", "no-acked-loss"}
        return wrong, bool(told)


@given(
    st.sampled_from(["sync", "async"]),
    st.sampled_from(["strict", "flush"]),
    st.integers(0, (1 << PAGES) - 1),
    st.lists(ACTION, max_size=24),
)
def test_incremental_judgement_equals_a_search_through_all_readings(
    mode: str, order: str, held: int, actions: list[tuple[str, int, int, bool]]
) -> None:
    twins = Twins(mode, order, held)
    for what, page, pick, flag in actions:
        twins.act(what, page, pick, flag=flag)
        if what in ("put", "end"):
            wrong, told = twins.verdicts()
            assert wrong == told, (what, page, pick)
            if wrong:
                return
