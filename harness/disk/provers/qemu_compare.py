"""`qemu-img compare` of the disk with its source, window by window where either has data.

Over HTTP QEMU takes every byte for data (facts.md 1.3), so that comparing a sparse 100 GiB disk as
a whole would transfer 100 GiB. Hence windows: outside of them neither side has data, so both read
zero.
"""

import itertools
from typing import Final

from harness.disk.case import Case, Opinion
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.local_disk import LocalDisk
from harness.disk.provers.qemu_image import image_argument, opened_as, refused, transcripts
from harness.disk.source import Extent, merge
from harness.disk.tools import ToolRun
from harness.errors import Inconclusive

MIB: Final = 1024 * 1024
WINDOWS_MAX: Final = 32
"""A run of the tool costs about 50 ms; past this many, windows are joined over smallest gaps."""

_BYTES_PER_S_MIN: Final = 4 * MIB
"""Slowest comparison that is waited for."""

_DIFFERENT: Final = 1


class QemuCompare:
    """Content of the disk against the volume it was made from, padded with zeros to a whole MiB."""

    name = "qemu-img compare"
    consumers = ALL_CONSUMERS

    def judge(self, case: Case) -> Opinion:
        """Compare all windows, or say why there is nothing to compare."""
        if case.source is None:
            return Opinion("not applicable", "no source to compare with was given")
        if case.size_bytes is None:
            return Opinion("not applicable", "without a valid size there is nothing to compare")
        source = LocalDisk(case.source)
        try:
            return self._compare(case, source, case.size_bytes)
        finally:
            source.close()

    def _compare(self, case: Case, source: LocalDisk, size: int) -> Opinion:
        if -(-source.length // MIB) * MIB != size and source.length != size:
            told = f"the source has {source.length} bytes, the disk {size}: not the same volume"
            return Opinion("bad", told, f"source {source.name} {source.length}\ndisk {size}\n")
        windows = windows_over([*case.extents, *source.extents()], size)
        runs: list[ToolRun] = []
        for window in windows:
            run = self._window(case, source, window)
            runs.append(run)
            if run.status == _DIFFERENT:
                told = f"differs from its source within {window.length} bytes at {window.offset}: "
                return Opinion("bad", told + run.stdout.strip(), transcripts(runs))
            if run.status:
                return refused(run, runs)
        told = (
            f"{opened_as(case)}; same as its source wherever either has data (windows "
            f"compared: {len(windows)})"
        )
        return Opinion("good", told, transcripts(runs))

    def _window(self, case: Case, source: LocalDisk, window: Extent) -> ToolRun:
        ours = _part(case.qemu_disk(), window)
        node: dict[str, object] = {**source.qemu_node(), "read-only": True}
        inside = min(window.end, source.length) - window.offset
        theirs = _part(node, Extent(window.offset, inside)) if inside > 0 else _zeros(window.length)
        argv = ["qemu-img", "compare", image_argument(ours), image_argument(theirs)]
        timeout_s = 60.0 + window.length / _BYTES_PER_S_MIN
        return case.tools.run(argv, timeout_s)


def windows_over(extents: list[Extent], size: int) -> list[Extent]:
    """Cover all data with at most `WINDOWS_MAX` windows of whole MiB, the smallest gaps joined."""
    rounded = merge([_whole_mib(extent, size) for extent in extents if extent.offset < size])
    gaps = sorted(b.offset - a.end for a, b in itertools.pairwise(rounded))
    surplus = len(rounded) - WINDOWS_MAX
    return merge(rounded, gaps[surplus - 1]) if surplus > 0 else rounded


def _whole_mib(extent: Extent, size: int) -> Extent:
    start = extent.offset // MIB * MIB
    return Extent(start, min(size, -(-extent.end // MIB) * MIB) - start)


def _part(node: dict[str, object], window: Extent) -> dict[str, object]:
    if window.length <= 0:
        raise Inconclusive("an empty window cannot be compared")
    return {"driver": "raw", "offset": window.offset, "size": window.length, "file": node}


def _zeros(length: int) -> dict[str, object]:
    return {"driver": "null-co", "size": length, "read-zeroes": True}
