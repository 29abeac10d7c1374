"""The disks that a simulated disaster leaves: at each crash, at each hand-over, and at its end.

Also those that a crash would leave after each request of a resize, where few drawn crashes happen.
Each is what a failover would recover at that moment (harness.checkers.designated), with what the
oracle says of it: whether it opens, and what a reader must find in it. While a resize is under way
it is the disk as any other tool would find it, for the footer that a roll-forward would write is
not there yet; for a while no tool can open that, and then none may pretend to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.checkers.blob_metadata import BlobMetadata, read_metadata
from harness.checkers.checker import Checker
from harness.checkers.designated import designate
from harness.checkers.footers import read_disk_end
from harness.checkers.history import SIZE
from harness.checkers.image_judge import judge_afresh
from harness.checkers.observation import Mounted, Observer
from harness.materialise.rendering import DiskImage, Rotten
from harness.sim.blob_requests import PAGE_BYTES, Answer, Request
from harness.sim.page_blob import PageBlob

__all__ = ["Candidate", "ImageCollector"]

_CRASHES: Final = ("killed", "power-lost")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A disk to be made real, with what the oracle says of it.

    shown: what the store holds; expected: what a reader must find. They differ where a page rotted
    at rest or is not admissible (what it should hold is expected, and must be missed), and at the
    end, where the primary's own volume is what the blob must show. problem: why no strict reader
    may accept it ("": it must); wrong_page: a page that the oracle does not admit, else -1.
    """

    moment: str
    shown: DiskImage
    expected: DiskImage
    problem: str = ""
    wrong_page: int = -1

    @property
    def must_be_right(self) -> bool:
        """No prover may find anything wrong with it."""
        return not self.problem and not self.must_be_wrong

    @property
    def must_be_wrong(self) -> bool:
        """Whoever compares it with what is expected must find a difference."""
        return self.rotten or self.wrong_page >= 0

    def digest(self) -> str:
        """Of both images."""
        return self.shown.digest() + self.expected.digest()

    @property
    def rotten(self) -> bool:
        """Pages were damaged at rest."""
        return any(isinstance(value, Rotten) for value in self.shown.pages.values())


class ImageCollector(Observer):
    """Watches a run and keeps its disks, each different one once.

    `witness` is a checker of the same run: through it the oracle's scene is seen.
    """

    def __init__(self, witness: Checker) -> None:
        self._witness = witness
        self.found: list[Candidate] = []
        self._digests: list[str] = []
        self._blob: PageBlob | None = None

    def applied(
        self, now_us: int, _node: str, _request: Request, _answer: Answer, blob: PageBlob
    ) -> None:
        """Keep the blob at hand, and its disk at each step of a resize."""
        self._blob = self._blob or blob
        if blob is self._blob and read_metadata(blob.metadata).intent:
            self._keep(f"in a resize at {now_us} us", _recoverable(blob))

    def process(self, now_us: int, node: str, what: str) -> None:
        """A crash: what would be recovered now?"""
        if what in _CRASHES:
            self._keep(f"{node} {what} at {now_us} us", _recoverable(self._blob))

    def power_lost(self, now_us: int, _pages: Mapping[int, object | None]) -> None:
        """The primary's machine is gone."""
        self._keep(f"power lost at {now_us} us", _recoverable(self._blob))

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """The disk as it was handed over."""
        pages = {**mounted.image, mounted.size_bytes // PAGE_BYTES: mounted.footer}
        shown = _image(mounted.size_bytes + PAGE_BYTES, pages)
        self._keep(f"mounted by {mounted.node} at {now_us} us", shown)

    def ended(
        self,
        _now_us: int,
        waiting_for: str,
        blob: PageBlob | None,
        volume: Mapping[int, object] | None,
    ) -> None:
        """At rest, a protected volume and its blob are the same."""
        blob = blob or self._blob
        shown = _recoverable(blob)
        if shown is None or blob is None:
            return
        metadata = read_metadata(blob.metadata)
        if volume is not None and not waiting_for and _is_live(blob, metadata):
            last = shown.length // PAGE_BYTES - 1
            # Of a write that the volume refused nobody knows what it left there.
            unknown = {*self._witness.scene.refused, last}
            own = {page: value for page, value in volume.items() if page not in unknown}
            own |= {page: value for page, value in shown.pages.items() if page in unknown}
            self._keep("end, against the volume", shown, _image(shown.length, own))
        else:
            self._keep("end", shown)

    def _keep(
        self, moment: str, shown: DiskImage | None, expected: DiskImage | None = None
    ) -> None:
        if shown is None:
            return
        admitted, wrong_page = self._admitted(shown)
        problem = _problem(shown)
        candidate = Candidate(moment, shown, expected or admitted, problem, wrong_page)
        digest = candidate.digest()
        if digest not in self._digests:
            self._digests.append(digest)
            self.found.append(candidate)

    def _admitted(self, shown: DiskImage) -> tuple[DiskImage, int]:
        """The disk with its first inadmissible page put right, and that page; -1: none is."""
        scene, history = self._witness.scene, self._witness.scene.history
        healed = shown.healed()
        judge = judge_afresh(history, dict(healed.pages), shown.size_bytes, history.owed)
        if judge.wrong is None or judge.wrong == SIZE:  # the size is for the footer to tell
            return healed, -1
        page = judge.wrong
        owed = history.entry_at(judge.floor.get(page, 0))
        value = scene.setup.base.get(page) if owed is None else owed.value_of(page)
        return _image(shown.length, {**healed.pages, page: value}), page


def _problem(shown: DiskImage) -> str:
    """Why a strict reader must refuse the disk: its end, or a footer inside."""
    last = shown.length // PAGE_BYTES - 1
    end = read_disk_end(shown.pages.get(last), shown.length)
    if end.problem:
        return end.problem
    inside = any(isinstance(value, bytes) for page, value in shown.pages.items() if page < last)
    return "footer-inside" if inside else ""


def _is_live(blob: PageBlob, metadata: BlobMetadata) -> bool:
    return designate(blob, metadata).kind == "live" and not metadata.intent


def _recoverable(blob: PageBlob | None) -> DiskImage | None:
    """The disk that a failover would mount; None: there is none yet."""
    if blob is None:
        return None
    metadata = read_metadata(blob.metadata)
    designated = designate(blob, metadata)
    if designated.kind == "nothing":
        return None
    if designated.kind == "point":
        return _image(designated.size_bytes + PAGE_BYTES, blob.image(designated.snapshot))
    length = blob.length
    if metadata.shrink_to and isinstance(blob.image().get(metadata.shrink_to // PAGE_BYTES), bytes):
        length = metadata.shrink_to + PAGE_BYTES
    return _image(length, blob.image())


def _image(length: int, pages: Mapping[int, object]) -> DiskImage:
    """A copy of what is not zeros, up to the end."""
    end = length // PAGE_BYTES
    kept = {page: _value(value) for page, value in pages.items() if page < end and _is_data(value)}
    return DiskImage(length, kept)


def _is_data(value: object) -> bool:
    return value not in (None, 0) and value != bytes(PAGE_BYTES)


def _value(value: object) -> object:
    """Of a page that rotted, what it held before any rot; of a foreign core's nonsense, bytes."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] == "rotten":
        inner = _value(value[1])
        return inner if isinstance(inner, Rotten) else Rotten(inner)
    if isinstance(value, int) and 0 <= value < 1 << 62:
        return value
    if isinstance(value, bytes) and len(value) == PAGE_BYTES:
        return value
    return repr(value).encode()[:PAGE_BYTES].ljust(PAGE_BYTES, b"?")
