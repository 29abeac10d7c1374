"""Put batches into the blob so that no late, lost or repeated request can ever do harm.

Rules (protocol.md section 3): P1 a request touches a page only if every earlier request that
touched it is dead, that is, its sequence number or its If-Match is stale; P2 no two overlapping
requests are in flight; P3 every request carries lease, EQ number and, in a chain, If-Match. An
outcome that is Unknown forces a Raise before the request is sent again.

A batch of few requests is chained: each carries the ETag that the previous answer gave, so all
earlier ones are dead at no cost. A wider batch is put concurrently; its pages are remembered as
`sent`, and the next batch that touches one of them is preceded by a Raise, which kills all older
requests (F1).
"""

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, auto

from engine.core.epochs import Batch, EpochQueue
from engine.core.extent import Extent
from engine.core.messages import (
    BlobState,
    Clear,
    Command,
    Done,
    Failed,
    Head,
    Note,
    Put,
    Raise,
    Refusal,
    SetTimer,
    StoreAnswer,
    Unknown,
)
from engine.core.sent_pages import SentPages
from engine.units import PUT_BYTES_MAX, SECOND_US

TIMER = "ship"
CHAIN_MAX = 2
"""Up to this many requests a chain costs no more round trips than concurrency plus a Raise."""

LINGER_BYTES = PUT_BYTES_MAX
"""So much is sent at once, however young it is."""

BACKOFF_US = SECOND_US // 10
BACKOFF_MAX_US = 2 * SECOND_US


class Trouble(Enum):
    """Why the shipper stopped; the primary decides what to do."""

    FENCED = auto()
    """The lease or the number is no longer ours: OWN again."""
    REGRESSED = auto()
    """The blob's number went back: it was restored or recreated (H7)."""
    BROKEN = auto()
    """The service refuses a request that must be legal: a bug, or not a page blob any more."""


class Shipper:
    """Sends one batch at a time; takes a next one only while `open`.

    `trouble` is set when it cannot go on by itself.
    """

    def __init__(
        self,
        queue: EpochQueue,
        connections: int,
        next_id: Callable[[], int],
        finished: Callable[[Batch], None],
        *,
        linger_us: int,
    ) -> None:
        """`linger_us`: how long writes nobody waits for may gather before they are sent."""
        self._queue = queue
        self._linger_us = linger_us
        self.hurry = False
        self._connections = connections
        self._next_id = next_id
        self._finished = finished
        self._sent = SentPages()
        self._todo: deque[Extent] = deque()
        self._in_flight: dict[int, tuple[Extent, bool]] = {}
        self._chaining = False
        self._raise_first = False
        self._raise_next = False
        self._awaited = -1
        self._backoff_us = BACKOFF_US
        self._wait_until_us = 0
        self._wake_us = -1
        self._lease = ""
        self._etag: str | None = None
        self.number = 0
        self.batch: Batch | None = None
        self.open = False
        self.trouble: Trouble | None = None
        self.detail = ""
        self.puts_done = 0
        self.bytes_done = 0
        self.puts_refused = 0
        self.puts_unknown = 0

    def own(self, lease: str, number: int, etag: str | None) -> None:
        """Ownership was (re)gained by a Raise to `number`, when the blob's ETag was `etag`.

        `etag` None: requests were sent since that Raise, so another must come before the next
        batch.
        """
        self._lease = lease
        self.number = number
        self._etag = etag
        self._sent.clear()
        for extent, _ in self._in_flight.values():
            self._todo.appendleft(extent)
        self._in_flight.clear()
        self._awaited = -1
        self._raise_first = etag is None and self.batch is not None
        self._raise_next = etag is None
        self.trouble = None
        self.detail = ""

    def forget(self) -> None:
        """Drop the batch under way; only where a Raise comes before anything else is sent."""
        self.batch = None
        self._todo.clear()
        self._in_flight.clear()

    def is_idle(self) -> bool:
        """Whether nothing is in flight and no batch is under way."""
        return self.batch is None and self._awaited < 0

    def in_flight(self) -> int:
        """How many data requests have no answer yet."""
        return len(self._in_flight)

    def touched(self) -> Iterator[tuple[int, int]]:
        """Offset and length of everything of the batch under way."""
        for extent in self.batch.extents if self.batch else ():
            yield extent.offset, extent.length

    def unsent_bytes(self) -> int:
        """Bytes of the batch under way; Unknown counts as unsent (H39)."""
        return self.batch.size if self.batch else 0

    def pump(self, now_us: int) -> list[Command]:
        """Send whatever may be sent now."""
        out: list[Command] = []
        if self.trouble or self._awaited >= 0 or now_us < self._wait_until_us:
            return out
        if self.batch is None:
            if not self.open or self._queue.is_empty():
                return out
            ripe_us = self._ripe_us()
            if now_us < ripe_us:
                return self._wake_at(ripe_us)
            self._next_batch()
        if self._raise_first:
            if not self._in_flight:
                out.append(self._raise())
            return out
        limit = 1 if self._chaining else self._connections
        while self._todo and len(self._in_flight) < limit:
            out.append(self._send(self._todo.popleft()))
        return out

    def handle(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Take an answer; those of earlier incarnations and attempts are dropped."""
        if event.id == self._awaited:
            self._awaited = -1
            return self._answered(now_us, event)
        flight = self._in_flight.pop(event.id, None)
        if flight is None:
            return []
        extent, chained = flight
        if isinstance(event, Done):
            self._applied(extent, event, chained=chained)
            return self.pump(now_us)
        self._todo.appendleft(extent)
        if isinstance(event, Unknown):
            self.puts_unknown += 1
            self._raise_first = True
            return [*self._back_off(now_us), self._note("put-unknown", event.detail)]
        self.puts_refused += 1
        return self._refused(now_us, event, chained=chained)

    # ── sending ───────────────────────────────────────────────────────────────────────────────

    def _ripe_us(self) -> int:
        """When the next batch is due: at once if it is large or somebody waits for it.

        Gathering merges small writes, so that the service's limit of requests is not spent on them.
        """
        oldest = self._queue.oldest_us()
        if oldest is None or self.hurry or self._queue.size >= LINGER_BYTES:
            return 0
        return oldest + self._linger_us

    def _wake_at(self, ripe_us: int) -> list[Command]:
        """Ask once for each time, however many writes gather until then."""
        if ripe_us == self._wake_us:
            return []
        self._wake_us = ripe_us
        return [SetTimer(TIMER, ripe_us)]

    def _next_batch(self) -> None:
        batch = self._queue.take()
        assert batch is not None
        self.batch = batch
        self._todo.extend(batch.extents)
        self._chaining = len(batch.extents) <= CHAIN_MAX and self._etag is not None
        self._raise_first = self._raise_next or self._sent.is_full()
        for extent in batch.extents:
            if self._sent.touches(extent.offset, extent.length):
                self._raise_first = True
                break

    def _send(self, extent: Extent) -> Command:
        command_id = self._next_id()
        if_match = self._etag if self._chaining else None
        chained = if_match is not None
        if not chained:
            self._sent.add(extent.offset, extent.length)
            self._etag = None
        self._in_flight[command_id] = (extent, chained)
        if extent.parts is None:
            return Clear(
                command_id, extent.offset, extent.length, self._lease, self.number, if_match
            )
        return Put(
            command_id,
            extent.offset,
            extent.length,
            extent.parts,
            self._lease,
            self.number,
            if_match,
        )

    def _raise(self) -> Command:
        self.number += 1
        self._awaited = self._next_id()
        return Raise(self._awaited, self.number, self._lease)

    # ── answers ───────────────────────────────────────────────────────────────────────────────

    def _applied(self, extent: Extent, event: Done, *, chained: bool) -> None:
        self.puts_done += 1
        self.bytes_done += extent.length
        self._backoff_us = BACKOFF_US
        batch = self.batch
        assert batch is not None
        if chained or len(batch.extents) == 1:
            self._etag = event.etag
        if not self._todo and not self._in_flight:
            self.batch = None
            self._finished(batch)

    def _refused(self, now_us: int, event: Failed, *, chained: bool) -> list[Command]:
        note = self._note("put-refused", f"{event.refusal.value}: {event.detail}")
        match event.refusal:
            case Refusal.LEASE:
                self.trouble, self.detail = Trouble.FENCED, event.detail
                return [note]
            case Refusal.SEQUENCE | Refusal.ETAG:
                # H4: perhaps the second answer of a request that was delivered twice.
                return [note, *self._look(now_us)]
            case Refusal.RANGE | Refusal.INVALID | Refusal.EXISTS | Refusal.LIMIT:
                self.trouble, self.detail = Trouble.BROKEN, event.detail
                return [note]
            case Refusal.UNREACHABLE | Refusal.CHECKSUM:
                # Nothing of it can be applied later: never sent, or sent damaged for good.
                return [note, *self._back_off(now_us)]
            case Refusal.BUSY | Refusal.AUTH | Refusal.NOT_FOUND:
                self._raise_first = self._raise_first or not chained
                return [note, *self._back_off(now_us)]

    def _answered(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """The answer to our own Raise or Head."""
        if isinstance(event, Done) and event.state is not None:
            return self._looked(now_us, event.state)
        if isinstance(event, Done):
            self._etag = event.etag
            self._sent.clear()
            self._raise_first = False
            self._raise_next = False
            # Only now can this batch be chained: nothing else is alive.
            batch = self.batch
            self._chaining = batch is not None and len(batch.extents) <= CHAIN_MAX
            return self.pump(now_us)
        if isinstance(event, Failed) and event.refusal is Refusal.LEASE:
            self.trouble, self.detail = Trouble.FENCED, event.detail
            return [self._note("raise-refused", event.detail)]
        self._raise_first = True
        return [*self._back_off(now_us), self._note("raise-trouble", event.detail)]

    def _look(self, now_us: int) -> list[Command]:
        if self._awaited >= 0:
            return []
        del now_us
        self._awaited = self._next_id()
        return [Head(self._awaited, self._lease)]

    def _looked(self, now_us: int, state: BlobState) -> list[Command]:
        if state.number < self.number:
            self.trouble = Trouble.REGRESSED
            self.detail = (
                f"the blob's sequence number is {state.number}, we had raised it to {self.number}:"
                " the blob was restored, recreated or lost acknowledged changes"
            )
            return [self._note("regressed", self.detail)]
        if state.number > self.number:
            self.trouble, self.detail = Trouble.FENCED, "somebody raised the sequence number"
            return []
        self._raise_first = True
        return self.pump(now_us)

    def _back_off(self, now_us: int) -> list[Command]:
        self._wake_us = -1
        self._wait_until_us = now_us + self._backoff_us
        self._backoff_us = min(2 * self._backoff_us, BACKOFF_MAX_US)
        return [SetTimer(TIMER, self._wait_until_us)]

    def _note(self, name: str, detail: str) -> Note:
        return Note(name, (("number", self.number), ("detail", detail)))
