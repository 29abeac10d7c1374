"""Is this image one that the volume may show after a crash? (protocol.md, the oracle's judgement.)

Written for small histories: one pass a floor. Shares no code with the engine or the harness.
"""

from dataclasses import dataclass, field


@dataclass
class Entry:
    """A client's operation. `pages`: page to value (None: zeros); a flush has none.

    invoked, completed: positions in one total order of happenings; completed None: never answered.
    """

    op: int
    pages: dict[int, object | None]
    invoked: int
    fua: bool = False
    flush: bool = False
    completed: int | None = None
    error: int = 0
    promised: bool = False
    """Acknowledged while the blob was declared protected."""


@dataclass
class History:
    """Everything that was ever asked of a volume, in arrival order, and what it held before."""

    base: dict[int, object]
    entries: list[Entry] = field(default_factory=list)

    def must_hold(self, *, flushed_only: bool) -> dict[int, int]:
        """Per page the operation that the image may not be older than."""
        floor: dict[int, int] = {}
        last_flush = -1
        if flushed_only:
            done = [e.invoked for e in self.entries if e.flush and e.promised]
            last_flush = max(done, default=-1)
        for entry in self.entries:
            if flushed_only and not (entry.fua and entry.promised):
                if entry.completed is None or entry.error or entry.completed > last_flush:
                    continue
            elif not entry.promised:
                continue
            for page in entry.pages:
                floor[page] = max(floor.get(page, 0), entry.op)
        return floor

    def complaint(self, image: dict[int, object], floor: dict[int, int], *, strict: bool) -> str:
        """Why `image` is not admissible, or ""."""
        floor = dict(floor)
        versions = self._versions(image)
        flushes = [e for e in self.entries if e.flush and e.completed is not None and not e.error]
        while True:
            latest = -1
            for page, candidates in versions.items():
                shown, least = image.get(page), floor.get(page, 0)
                read = [e for e in candidates if e.op >= least and e.pages[page] == shown]
                if not read:
                    return f"page {page} holds {shown!r}, must be of operation {least} or later"
                latest = max(latest, read[0].invoked)
            bound = latest
            if not strict:
                bound = max(
                    (
                        f.invoked
                        for f in flushes
                        if f.completed is not None and f.completed < latest
                    ),
                    default=-1,
                )
            before = dict(floor)
            for entry in self.entries:
                limit = latest if entry.fua else bound
                if entry.completed is None or entry.error or entry.completed > limit:
                    continue
                for page in entry.pages:
                    floor[page] = max(floor.get(page, 0), entry.op)
            if floor == before:
                return ""

    def _versions(self, image: dict[int, object]) -> dict[int, list[Entry]]:
        pages = set(self.base) | set(image)
        for entry in self.entries:
            pages.update(entry.pages)
        versions = {page: [Entry(0, {page: self.base.get(page)}, -1)] for page in pages}
        for entry in self.entries:
            for page in entry.pages:
                versions[page].append(entry)
        return versions
