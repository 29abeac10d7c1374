"""What all checkers share: the history, the blob, and a judgement of what would be recovered now.

Brought up to date by the panel before the checkers are called, once for each event. The judgement
follows the recoverable image (designated.py) from change to change; it starts from nothing when
another image takes its place, and when a page seems wrong.
"""

from collections.abc import Mapping

from harness.checkers.blob_metadata import BlobMetadata, read_metadata
from harness.checkers.breach import Breach
from harness.checkers.designated import NOTHING, Designated, designate
from harness.checkers.history import PAGE_BYTES, Entry, History
from harness.checkers.image_judge import ImageJudge
from harness.checkers.observation import Mounted, Operation, RunSetup
from harness.checkers.replication_lag import ReplicationLag
from harness.checkers.verdict import find_breach
from harness.checkers.volume_shadow import VolumeShadow
from harness.sim.blob_requests import Metadata, PageWrite, PutPages, Request
from harness.sim.page_blob import PageBlob

__all__ = ["NO_SETUP", "Scene"]

NO_SETUP = RunSetup(
    mode="sync", order="strict", volume_bytes=0, base={}, rpo_us=0, rpo_bytes=0, live_us=0
)

NO_METADATA = read_metadata(())


class Scene:
    """As of now.

    judge: of the designated image, None while nothing is designated; judgements: how often that
    image was judged with something to demand; mount: the last hand-over; promised: what was
    acknowledged under the promise of mode async; rotten: pages that were damaged at rest; refused:
    pages of operations that failed; version: counts the changes of the blob.
    """

    def __init__(self) -> None:
        self.setup = NO_SETUP
        self.history = History()
        self.volume = VolumeShadow()
        self.lag = ReplicationLag(self.history)
        self.blob: PageBlob | None = None
        self.metadata: BlobMetadata = NO_METADATA
        self._map: Metadata = ()
        """The map that `metadata` was read from."""
        self.designated: Designated = NOTHING
        self.judge: ImageJudge | None = None
        self.mount: Mounted | None = None
        self.was_consistent = False
        self.judgements = 0
        self.promised: list[Entry] = []
        self.rotten: set[int] = set()
        self.refused: set[int] = set()
        self.version = 0
        self.breaches: list[Breach] = []
        self._unsettled: dict[int, Operation] = {}

    def take_breaches(self) -> list[Breach]:
        """Hand over what is not admissible, once."""
        breaches, self.breaches = self.breaches, []
        return breaches

    # ── events ────────────────────────────────────────────────────────────────────────────────

    def started(self, setup: RunSetup) -> None:
        """Before anything else."""
        self.setup = setup
        self.history.begin(setup.base, setup.volume_bytes, setup.order)
        self.volume.begin(setup.base)

    def invoked(self, _now_us: int, operation: Operation) -> None:
        """A client or operator asks."""
        self.history.invoke(operation)
        if operation.kind in ("write", "zero", "resize"):
            self._unsettled[operation.op] = operation

    def local(self, _now_us: int, operation: Operation) -> None:
        """It took effect in the volume."""
        self.volume.took(operation)
        if operation.kind == "resize":
            self.history.resized(operation)

    def completed(self, now_us: int, operation: Operation) -> None:
        """It was answered; what was promised is owed from now on."""
        if operation.error:
            if operation.kind in ("write", "zero"):
                end = operation.first_page + operation.pages
                self.refused.update(range(operation.first_page, end))
            return
        entry = self.history.complete(now_us, operation)
        if entry is not None:
            self._unsettled.pop(operation.op, None)
            if entry.kind != "resize":
                self.lag.acknowledged(entry)
        if operation.promised:
            self._promise(operation, entry)

    def power_lost(self, _now_us: int, pages: Mapping[int, object | None]) -> None:
        """The volume shows older values."""
        if pages:
            self.volume.lost(pages)
            self.history.lose(pages, f"the power loss (it took {len(pages)} pages back)")

    def process(self, _now_us: int, node: str, what: str) -> None:
        """A new primary finds the volume as it is: that now comes before all that follows."""
        if node == "primary" and what == "started":
            self._settle_what_was_left()

    def damaged(self, _now_us: int, _where: str, request: Request | None, page: int) -> None:
        """Bits rot at rest: what the page shows is nobody's word."""
        if request is None and page >= 0:
            self.rotten.add(page)
            self.version += 1

    def written(self, _now_us: int, _node: str, request: PageWrite, _blob: PageBlob) -> None:
        """Pages of the blob were put or cleared."""
        self.version += 1
        judge = self.judge
        if judge is None or self.designated.kind != "live":
            return
        first = request.offset // PAGE_BYTES
        end = first + request.length // PAGE_BYTES
        if isinstance(request, PutPages):
            judge.changed(self.history.pages_put(request))
        else:
            judge.changed(self.history.touched_in(first, end))
        self._settle()

    def changed(self, _now_us: int, _node: str, _request: Request, blob: PageBlob) -> None:
        """Length, metadata or snapshots of the blob were changed."""
        self.version += 1
        self.blob = blob
        if blob.metadata is not self._map:
            self._map = blob.metadata
            self.metadata = read_metadata(blob.metadata)
        self._designate(designate(blob, self.metadata), blob)

    def mounted(self, _now_us: int, mounted: Mounted) -> None:
        """The disk that was handed over is judged as it is, from nothing."""
        self.mount = mounted
        self.judgements += 1
        _, breach = find_breach(
            self.history, mounted.image, mounted.size_bytes, self._owed(), self.setup.mode,
            "the mounted disk", self.rotten,
        )  # fmt: skip
        self._tell(breach)

    # ── the recoverable image ─────────────────────────────────────────────────────────────────

    def oldest_missing(self) -> Entry | None:
        """The oldest acknowledged write that a failover would not recover."""
        return None if self.judge is None else self.lag.oldest(self.judge, self.version)

    def missing_bytes(self, limit: int) -> int:
        """Bytes acknowledged that a failover would not recover, exactly where over the limit."""
        judge = self.judge
        return 0 if judge is None else self.lag.missing_bytes(judge, self.version, limit)

    def is_answer_to_last_resize(self, operation: Operation) -> bool:
        """Whether it was answered as protected, and the volume has taken no other size since."""
        if operation.kind != "resize" or not operation.promised:
            return False
        return self.history.by_op.get(operation.op) is self.history.sizes[-1]

    def _designate(self, designated: Designated, blob: PageBlob) -> None:
        """Another image may be the one to recover."""
        before, self.designated = self.designated, designated
        if designated.same(before):
            return
        if designated.kind == "nothing":
            self.judge = None
            return
        self.was_consistent = True
        if self.judge is not None and before.kind == designated.kind == "live":
            self.judge.resized(designated.size_bytes)
            self._settle()
            return
        image = blob.image(designated.snapshot)
        self._judge_afresh(image, designated.size_bytes)

    def _settle(self) -> None:
        """Carry the judgement on; if something seems wrong, judge again before it is told."""
        judge = self.judge
        if judge is None:
            return
        judge.settle(self.history.owed)
        if judge.demanded:
            self.judgements += 1
        if judge.wrong is not None and not judge.told:
            self._judge_afresh(judge.image, judge.size)

    def _judge_afresh(self, image: dict[int, object], size_bytes: int) -> None:
        live = self.designated.kind == "live"
        where = "the blob" if live else "the pinned point"
        self.judge, breach = find_breach(
            self.history, image, size_bytes, self._owed(), self.setup.mode, where, self.rotten
        )
        self.judge.owing = len(self.history.owed)
        self.judge.told = breach is not None
        if self.judge.demanded:
            self.judgements += 1
        self._tell(breach)

    def _owed(self) -> list[Entry]:
        """What must be there: in mode async all promised longer before the last than the RPO."""
        owed = self.history.owed
        if self.promised:
            until_us = self.promised[-1].completed_us - self.setup.rpo_us
            owed = [*owed, *[entry for entry in self.promised if entry.completed_us < until_us]]
        return owed

    def _promise(self, operation: Operation, entry: Entry | None) -> None:
        mode, history = self.setup.mode, self.history
        if entry is None:
            if mode == "sync-on-flush" and operation.kind == "flush":
                history.owe_flushed(operation)
        elif operation.kind == "resize" or mode == "sync":
            history.owe(entry)
        elif mode == "async":
            self.promised.append(entry)
        elif operation.fua:
            history.owe(entry)
        self._settle()

    def _settle_what_was_left(self) -> None:
        """Unanswered operations either took effect, or never will."""
        undone: dict[int, object | None] = {}
        for operation in self._unsettled.values():
            entry = self.history.by_op.get(operation.op)
            if not self.volume.has(operation):
                if operation.kind != "resize":
                    undone.update(self.volume.reads(operation.first_page, operation.pages))
            elif entry is not None and (not self.history.by_flush or operation.kind == "resize"):
                self.history.settle(entry)
        self._unsettled.clear()
        if undone:
            self.history.lose(undone, "what the restart found undone")

    def _tell(self, breach: Breach | None) -> None:
        if breach is not None:
            self.breaches.append(breach)
