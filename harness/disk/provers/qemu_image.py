"""QEMU's image tools on the disk: `qemu-img info` and `map`, and `qemu-io` on its ends.

Always with the vpc driver named (never guessed: a guess takes a disk with a destroyed footer for a
raw one), in its JSON spelling, which works for files and URLs alike. A first sector that looks like
a VHD header makes that driver misread a legal disk; then raw with the size is what is shown.
"""

import json
import re
from typing import Final

from harness.disk.case import Case, Opinion
from harness.disk.findings import Consumer
from harness.disk.footer import SECTOR_BYTES
from harness.disk.tools import ToolRun

_TIMEOUT_S: Final = 60.0
_DUMP_LINE: Final = re.compile(r"^[0-9a-f]{8,}:  ((?:[0-9a-f]{2} )+)", re.MULTILINE)


class QemuImage:
    """`qemu-img info` must show the true size, `qemu-img map` must cover exactly that."""

    name = "qemu-img"
    consumers = frozenset({Consumer.QEMU})

    def judge(self, case: Case) -> Opinion:
        """Run both."""
        image = image_argument(case.qemu_disk())
        info = case.tools.run(["qemu-img", "info", "--output=json", image], _TIMEOUT_S)
        if info.status != 0:
            return refused(info, [info])
        size = int(json.loads(info.stdout)["virtual-size"])
        mapped = case.tools.run(["qemu-img", "map", "--output=json", image], _TIMEOUT_S)
        if mapped.status != 0:
            return refused(mapped, [info, mapped])
        covered = sum(int(part["length"]) for part in json.loads(mapped.stdout))
        raw = transcripts([info, mapped])
        if case.size_bytes is None:
            return Opinion("not applicable", f"opens with {size} bytes; no size to agree on", raw)
        if size != case.size_bytes or covered != case.size_bytes:
            told = f"QEMU shows {size} bytes and maps {covered}; the disk has {case.size_bytes}"
            return Opinion("bad", told, raw)
        return Opinion("good", f"{opened_as(case)} with {size} bytes, all mapped", raw)


class QemuIo:
    """`qemu-io` must read the first and last sectors as the strict reading does."""

    name = "qemu-io"
    consumers = frozenset({Consumer.QEMU})

    def judge(self, case: Case) -> Opinion:
        """Read both sectors and compare."""
        image = image_argument(case.qemu_disk())
        size = case.size_bytes or 0
        offsets = [0, max(0, size - SECTOR_BYTES)]
        reads = [arg for at in offsets for arg in ("-c", f"read -v {at} {SECTOR_BYTES}")]
        run = case.tools.run(["qemu-io", "-r", *reads, image], _TIMEOUT_S)
        if run.status != 0 or "read failed" in run.stdout + run.stderr:
            return refused(run, [run])
        if case.size_bytes is None:
            return Opinion("not applicable", "opens; no size to read the end at", run.transcript())
        dump = b"".join(bytes.fromhex(line) for line in _DUMP_LINE.findall(run.stdout))
        ours = b"".join(case.disk.read(at, SECTOR_BYTES) for at in offsets)
        if dump != ours:
            told = "QEMU reads other bytes in the first or last sector than the blob or file holds"
            return Opinion("bad", told, run.transcript())
        told = f"{opened_as(case)}; first and last sector read as they are stored"
        return Opinion("good", told, run.transcript())


def image_argument(node: dict[str, object]) -> str:
    """Return the tools' argument for a block node."""
    return "json:" + json.dumps(node)


def opened_as(case: Case) -> str:
    """Return which driver opened the disk, and why if it is not the usual one."""
    if not case.needs_raw:
        return "vpc driver opens it"
    why = "first sector looks like a VHD header" if case.layout.first_sector_is_cookie else "size"
    return f"raw driver with the given size opens it ({why}: not for the vpc driver)"


def refused(run: ToolRun, runs: list[ToolRun]) -> Opinion:
    """Judge a failed run: bad, unless bytes could not be had."""
    words = run.last_words()
    raw = transcripts(runs)
    if run.could_not_read:
        return Opinion("inconclusive", f"{run.argv[0]} could not read the disk: {words}", raw)
    if "Is another process using the image" in run.stderr:
        told = "the disk is in use by another program; stop that and prove it again"
        return Opinion("inconclusive", told, raw)
    return Opinion("bad", f"{run.argv[0]} refuses the disk: {words}", raw)


def transcripts(runs: list[ToolRun]) -> str:
    """Join the transcripts of several runs."""
    return "\n".join(run.transcript() for run in runs)
