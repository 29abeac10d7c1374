"""Whether a blob's last page makes it a disk: the strict validator on a simulated blob."""

from dataclasses import dataclass
from functools import lru_cache

from harness.disk.findings import Consumer
from harness.disk.footer import FOOTER_BYTES, Footer
from harness.disk.validator import validate

__all__ = ["DiskEnd", "read_disk_end"]


@dataclass(frozen=True, slots=True)
class _End:
    """A disk of which only the last page is known; the rest reads zero."""

    raw: bytes
    length: int
    kind: str = "PageBlob"

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`."""
        known = self.length - FOOTER_BYTES
        zeros = max(0, min(length, known - offset))
        return bytes(zeros) + self.raw[max(0, offset - known) : offset + length - known]


@dataclass(frozen=True, slots=True)
class DiskEnd:
    """What the last 512 bytes say. `problem` is a slug, empty if every reader opens the disk."""

    problem: str
    sentence: str
    footer: Footer | None


_CONSUMERS = frozenset({Consumer.AZURE, Consumer.QEMU})


@lru_cache(maxsize=4096)
def read_disk_end(value: object, length: int) -> DiskEnd:
    """Judge the page `value` as the last one of a blob of `length` bytes."""
    if not isinstance(value, bytes) or len(value) != FOOTER_BYTES:
        shown = "zeros" if value in (None, 0) else "a page of data"
        return DiskEnd("no-footer", f"The last page holds {shown}, no footer.", None)
    layout = validate(_End(value, length))
    for finding in layout.findings:
        if finding.condemns(_CONSUMERS):
            return DiskEnd(finding.code, finding.sentence, layout.footer)
    return DiskEnd("", "", layout.footer)
