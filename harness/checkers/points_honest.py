"""points-honest: every recovery point opens, is a cut, and goes only as retention says.

A point is never taken of a blob that is marked as inconsistent, and opens at its own size. In order
`interval` each point is judged when it is taken; in the others it is the live image, judged all
along. A request for a point is answered only when a point exists that was taken since, and holds
everything acknowledged before the request. What is pinned exists and is not doomed; a point is
doomed before it is deleted; of the user's the newest `points_keep` stay. None that is doomed is
mounted.
What it does not verify: the time that a point tells, points that rotted, retention by age.
"""

from harness.checkers.blob_metadata import BlobMetadata, read_metadata
from harness.checkers.checker import Checker
from harness.checkers.footers import read_disk_end
from harness.checkers.history import PAGE_BYTES
from harness.checkers.image_judge import ImageJudge
from harness.checkers.observation import NEVER, Mounted, Operation
from harness.checkers.verdict import find_breach
from harness.sim.blob_requests import DeleteBlob, Request, SetMetadata, TakeSnapshot
from harness.sim.blob_state import SnapshotState
from harness.sim.page_blob import PageBlob

__all__ = ["PointsHonest"]

USER_KINDS = ("interval", "request")


class PointsHonest(Checker):
    """Follows snapshots from their taking to their end."""

    claim = "points-honest"

    def __init__(self) -> None:
        super().__init__()
        self._holds_until: dict[str, int] = {}
        """By point: before which position it holds everything acknowledged."""
        self._taken_at: dict[str, int] = {}
        self._doomed: tuple[str, ...] = ()

    def requested(self, now_us: int, operation: Operation) -> None:
        """A point was promised: there is one since, with all that came before."""
        if operation.kind != "point" or operation.error:
            return
        self.count += 1
        asked_at = self.scene.history.asked_at[operation.op]
        since = [name for name, position in self._taken_at.items() if position >= asked_at]
        if not since:
            text = f"point {operation.op} was answered, and none was taken since it was asked for"
            self.report(now_us, "answered-without-a-point", text)
        elif all(self._holds_until.get(name, 0) < asked_at for name in since):
            text = f"point {operation.op} lacks what was acknowledged before it was asked for"
            self.report(now_us, "point-lacks-acknowledged", text)

    def changed(self, now_us: int, _node: str, request: Request, blob: PageBlob) -> None:
        """A point comes, goes, or is pinned or doomed."""
        if isinstance(request, TakeSnapshot):
            self.count += 1
            self._taken(now_us, blob, blob.snapshots[-1])
        elif isinstance(request, DeleteBlob):
            self.count += 1
            self._deleted(now_us, request.snapshot)
        elif isinstance(request, SetMetadata):
            self._metadata(now_us, blob, self.scene.metadata)

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """What is doomed may vanish any moment."""
        if mounted.snapshot and mounted.snapshot in self.scene.metadata.doomed:
            text = f"{mounted.node} mounted point {mounted.snapshot}, which is doomed"
            self.report(now_us, "mounted-a-doomed-point", text)

    def _taken(self, now_us: int, blob: PageBlob, point: SnapshotState) -> None:
        scene = self.scene
        self._taken_at[point.id] = scene.history.position
        mark = scene.metadata.mark
        by_interval = scene.setup.order == "interval"
        if mark not in ("", "none") and not by_interval:
            text = f"point {point.id} was taken of a blob that is marked {mark}"
            self.report(now_us, "point-of-a-marked-blob", text)
            return
        last = point.length // PAGE_BYTES - 1
        end = read_disk_end(blob.store.pages.get(last), point.length)
        if end.problem and last not in scene.rotten:
            text = f"point {point.id} does not open: {end.sentence}"
            self.report(now_us, "point-does-not-open", text, last, "a footer", end.problem)
        judge = scene.judge
        if by_interval:
            judge = self._judge(now_us, blob, point)
        missing = scene.lag.first_missing(judge) if judge is not None else None
        self._holds_until[point.id] = missing.completed if missing else NEVER

    def _judge(self, now_us: int, blob: PageBlob, point: SnapshotState) -> ImageJudge:
        """In order `interval` the blob is a cut only now that it is taken for a point."""
        scene = self.scene
        judge, breach = find_breach(
            scene.history, blob.image(), point.length - PAGE_BYTES, (), scene.setup.mode,
            f"point {point.id}", scene.rotten,
        )  # fmt: skip
        if breach is not None:
            self.report(
                now_us, "point-is-no-cut", breach.text, breach.page, breach.expected, breach.found
            )
        return judge

    def _deleted(self, now_us: int, snapshot: str) -> None:
        self._taken_at.pop(snapshot, None)
        if snapshot not in self.scene.metadata.doomed:
            text = f"point {snapshot or '(all of them)'} was deleted and had not been doomed"
            self.report(now_us, "deleted-undoomed", text)

    def _metadata(self, now_us: int, blob: PageBlob, metadata: BlobMetadata) -> None:
        pin = metadata.pin
        if pin and blob.snapshot_index(pin) is None:
            text = f"the metadata pins point {pin}, which does not exist"
            self.report(now_us, "pinned-without-a-point", text)
        elif pin and pin in metadata.doomed:
            self.report(now_us, "pin-doomed", f"the pinned point {pin} is doomed")
        if metadata.doomed != self._doomed:
            self._retained(now_us, blob, metadata)
            self._doomed = metadata.doomed

    def _retained(self, now_us: int, blob: PageBlob, metadata: BlobMetadata) -> None:
        """The newest of the user's points stay."""
        keep = self.scene.setup.points_keep
        if not keep:
            return
        once: dict[str, str] = {}
        for point in blob.snapshots:
            if _kind(point) in USER_KINDS:
                # A request that was repeated made two of the same content: one of them counts.
                once.setdefault(read_metadata(point.metadata).keys.get("mp_sequence", ""), point.id)
        users = list(once.values())
        kept = [name for name in users if name not in metadata.doomed]
        new = [name for name in metadata.doomed if name not in self._doomed and name in users]
        if new and len(kept) < keep:
            self.count += 1
            text = f"point {new[0]} was doomed though only {len(users)} are there; {keep} are kept"
            self.report(now_us, "retention-too-eager", text)


def _kind(point: SnapshotState) -> str:
    return read_metadata(point.metadata).keys.get("mp_point", "")
