"""What the ledger guest has said, as the harness understands it: begun, acknowledged, in flight."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.errors import MountproofError
from harness.guest.vm import GuestLine


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Entry `index` (from 1) was on stable storage at `at`, as far as the guest was told.

    `began_at` and `at` are CLOCK_MONOTONIC seconds; `digest` is the entry's hash, 64 hex digits.
    """

    index: int
    digest: str
    began_at: float
    at: float


@dataclass(slots=True)
class LedgerRecord:
    """Grows line by line (`hear`); what is lost is judged by others, from this."""

    acknowledged: list[Acknowledgement] = field(default_factory=list)
    in_flight: tuple[int, float] | None = None
    errors: list[str] = field(default_factory=list)
    ready_at: float | None = None

    def hear(self, line: GuestLine) -> None:
        """Take in one line; lines of other kinds are ignored.

        Raises `MountproofError` if the agent breaks its protocol.
        """
        word, _, rest = line.text.partition(" ")
        match word:
            case "ready":
                self.ready_at = line.at
            case "beg":
                self.in_flight = (int(rest), line.at)
            case "ack":
                self._acknowledge(rest, line.at)
            case "error":
                self.errors.append(rest)

    def hear_all(self, lines: Iterable[GuestLine]) -> None:
        """Take in many lines."""
        for line in lines:
            self.hear(line)

    def _acknowledge(self, rest: str, at: float) -> None:
        index, digest = rest.split(" ")
        if self.in_flight is None or self.in_flight[0] != int(index):
            raise MountproofError(f"the guest acknowledged entry {index} that it had not begun.")
        self.acknowledged.append(Acknowledgement(int(index), digest, self.in_flight[1], at))
        self.in_flight = None

    @property
    def last(self) -> Acknowledgement | None:
        """Return the newest acknowledgement, or None."""
        return self.acknowledged[-1] if self.acknowledged else None
