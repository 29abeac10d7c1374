"""What every prover is given, and what it answers."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from harness.disk.content import Content
from harness.disk.expected_ledger import ExpectedLedger
from harness.disk.findings import Consumer
from harness.disk.source import Disk, Extent
from harness.disk.tools import ToolBox
from harness.disk.validator import Layout

StepVerdict = Literal["good", "bad", "inconclusive", "not applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One disk under proof. `content` is the strict reading's, ready when that step is done."""

    disk: Disk
    layout: Layout
    extents: list[Extent]
    content: "Future[Content]"
    consumers: frozenset[Consumer]
    source: Path | None
    ledger: ExpectedLedger | None
    tools: ToolBox
    scratch: Path
    """A folder of this proof, removed after it."""

    @property
    def size_bytes(self) -> int | None:
        """Bytes of the disk proper by the strict reading, None if it found no such size."""
        return self.layout.size_bytes

    def qemu_disk(self) -> dict[str, object]:
        """Node that gives QEMU the disk proper, read-only.

        By the vpc driver, except where that driver is known to misread or refuse a legal disk: a
        first sector that looks like a header (facts.md 1.3), or a size that only raw can take. Then
        `raw` with the size that the strict reading found.
        """
        node = {**self.disk.qemu_node(), "read-only": True}
        if not self.needs_raw:
            return {"driver": "vpc", "read-only": True, "file": node}
        return {
            "driver": "raw",
            "read-only": True,
            "offset": 0,
            "size": self.size_bytes,
            "file": node,
        }

    @property
    def needs_raw(self) -> bool:
        """QEMU must be told the size, its vpc driver would be wrong."""
        if self.size_bytes is None:
            return False
        misread = any(f.code in ("qemu-size", "over-2040-gib") for f in self.layout.findings)
        return self.layout.first_sector_is_cookie or (
            misread and Consumer.QEMU not in self.consumers
        )


@dataclass(frozen=True, slots=True)
class Opinion:
    """A prover's answer; `raw` is its untouched output, `facts` figures worth keeping."""

    verdict: StepVerdict
    summary: str
    raw: str = ""
    facts: dict[str, float | int | str | bool] = field(default_factory=dict)


class Prover(Protocol):
    """One independent look at a disk. It reads, never repairs, and never raises for the disk."""

    name: str
    consumers: frozenset[Consumer]
    """For whom its verdict decides."""

    def judge(self, case: Case) -> Opinion:
        """Look at the disk. May raise `Inconclusive` or `UsageError` of reading it."""
        ...
