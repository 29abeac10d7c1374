"""The exclusive section of a primary: at most one, what follows it, what it learnt of the blob."""

from collections.abc import Callable

from engine.core import section
from engine.core.blob_metadata import SEED, UNMARKED, BlobMetadata
from engine.core.listed_point import KnownSnapshot
from engine.core.messages import Command, StoreAnswer
from engine.core.primary_status import OWNING, SEALING, Phase, Standing
from engine.core.section import Goal, Section

NO_SNAPSHOT = "the service takes no snapshot of the blob for now: its limit of rate or count"

Then = Callable[[int, Section], list[Command]]
Fenced = Callable[[int, str], list[Command]]


class Changing:
    """Runs sections; `lease` is the one now owned.

    metadata: what the blob said of itself when it was last known, None before it was owned;
    snapshots: None where they are not known for sure.
    """

    def __init__(self, standing: Standing, next_id: Callable[[], int], fenced: Fenced) -> None:
        self._standing = standing
        self._next_id = next_id
        self._fenced = fenced
        self._section: Section | None = None
        self._phase = SEALING
        self._then: Then | None = None
        self.lease = ""
        self.metadata: BlobMetadata | None = None
        self.snapshots: list[KnownSnapshot] | None = None

    def is_open(self) -> bool:
        """Whether a section is under way."""
        return self._section is not None

    def is_limited(self) -> bool:
        """Whether it waits because the service takes no snapshot now."""
        return self._section is not None and self._section.limited

    def complaint(self) -> str:
        """Why it waits, "" if it does not."""
        return NO_SNAPSHOT if self._section is not None and self._section.limited else ""

    def enter(self, goal: Goal, number: int, then: Then, phase: Phase) -> list[Command]:
        """Begin one; the blob's number is known to be `number`, nothing is in flight."""
        assert self.metadata is not None
        self._standing.phase = self._phase = phase
        owner = (self.metadata.owner, self.metadata.term)
        self._then = then
        self._section = Section(goal, owner, self.lease, number, self._next_id, self.snapshots)
        return self._section.start()

    def own(self, number: int) -> list[Command]:
        """The lease is owned again: begin again towards the same goal."""
        assert self._section is not None
        self._standing.phase = self._phase
        return self._section.own(self.lease, number)

    def leave(self) -> Section:
        """It is over, whether it reached its goal or not."""
        change, self._section, self._then = self._section, None, None
        assert change is not None
        return change

    def answer(self, now_us: int, event: StoreAnswer) -> list[Command] | None:
        """Take an answer; None: it is not for the section."""
        change = self._section
        if change is None or event.id != change.awaited:
            return None
        out = change.handle(now_us, event)
        if change.fenced:
            return [*out, *self._fenced(now_us, change.detail)]
        if change.step is not section.FINISHED:
            return out
        then, self._then = self._then, None
        assert then is not None
        self._section = None
        self.metadata = change.view.state()
        self.snapshots = change.view.snapshots
        return [*out, *then(now_us, change)]

    def timer(self, key: str) -> list[Command]:
        """The section's wait is over."""
        owning = self._standing.phase is OWNING
        if key != section.TIMER or self._section is None or owning:
            return []
        return self._section.timer()

    def recoverable(self) -> tuple[str, str, int]:
        """What a failover would use now: "nothing", "live" or "point", its kind, when taken."""
        known = self.metadata
        if known is None or known.mark is SEED:
            return ("nothing", "", 0)
        if known.mark is UNMARKED:
            return ("live", "", 0)
        for snapshot, point in self.snapshots or ():
            if snapshot == known.pin and point is not None:
                return ("point", str(point.kind), point.taken_us)
        return ("point", "", 0)

    def forget_snapshot(self, gone: str) -> None:
        """A snapshot was deleted."""
        if self.snapshots is not None:
            self.snapshots = [kept for kept in self.snapshots if kept[0] != gone]
