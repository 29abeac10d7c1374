"""A real VM takes the disk straight from where it is, mounts it, and reads it from inside.

Nothing is copied: QEMU reads the file, or the blob over HTTP, and what the guest writes goes to a
throw-away overlay. The guest mounts read-write, so that its kernel replays the journal as after any
crash, verifies the ledger, unmounts, and only then runs `e2fsck -fn`; a disk without a file system
that it mounts is read whole and digested. Nothing is repaired.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.disk.case import Case, Opinion
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.guest_report import Expectation, GuestReport, defects, read_report, summary
from harness.errors import Inconclusive
from harness.guest.accelerator import probe_accelerator
from harness.guest.build import GuestImages, find_guest_images
from harness.guest.disks import Disk, extents_disk, recovery_disk
from harness.guest.qemu_command import GuestPlan
from harness.guest.vm import GuestLine, GuestVm, guest_log
from harness.parts import guest_cache
from harness.redaction import redact

_QEMU: Final = "qemu-system-x86_64"
_BOOT_S_MAX: Final = 180.0
"""A boot takes 3 s under TCG; a loaded machine may need far longer, and slow is not bad."""

_BYTES_PER_S_MIN: Final = 2 * 1024 * 1024
_CONSOLE_CHARACTERS_MAX: Final = 20_000


class GuestMount:
    """Boots the prover guest on the disk and judges what it reports."""

    name = "vm"
    consumers = ALL_CONSUMERS

    def judge(self, case: Case) -> Opinion:
        """Boot it and listen to its end."""
        if case.size_bytes is None:
            told = "no valid footer and length say which bytes are the disk: nothing to attach"
            return Opinion("not applicable", told)
        case.tools.require(_QEMU)
        images = find_guest_images(guest_cache())
        if images is None:
            raise Inconclusive(
                "the guest's kernel and initramfs are not built here, so this proof is missing; "
                "`mountproof doctor` says how to get them"
            )
        plan = _plan(case, images, case.size_bytes)
        data_bytes = sum(extent.length for extent in case.extents)
        guest = GuestVm(plan)
        with guest, case.tools.stoppable(guest.kill):
            lines = list(_listen(guest, _BOOT_S_MAX + data_bytes / _BYTES_PER_S_MIN))
        return _judge(case, guest, lines)


def _plan(case: Case, images: GuestImages, size_bytes: int) -> GuestPlan:
    extents = [(extent.offset, extent.length) for extent in case.extents]
    return GuestPlan(
        images,
        "prove",
        {"extents": 1},
        [_disk(case, size_bytes), extents_disk(extents, case.scratch / "extents")],
        guest_log(case.scratch, "prove"),
        accelerator=probe_accelerator(images),
    )


def _disk(case: Case, size_bytes: int) -> Disk:
    disk = recovery_disk(case.disk.place, size_bytes, case.scratch / "overlay.qcow2")
    # The very node that QEMU's tools were given: raw where the vpc driver would misread.
    return replace(disk, blockdev={**disk.blockdev, "backing": case.qemu_disk()})


def _listen(guest: GuestVm, timeout_s: float) -> Iterator[GuestLine]:
    try:
        for line in guest.lines(timeout_s):
            yield line
            if line.text.startswith("end "):
                return
    except TimeoutError:
        return  # a report without its end is inconclusive


def _judge(case: Case, guest: GuestVm, lines: list[GuestLine]) -> Opinion:
    report = read_report(line.text for line in lines)
    raw = _raw(guest, lines)
    if report.end is None:
        reason = report.errors[-1] if report.errors else guest.complaints[-200:].strip()
        told = f"the guest did not come to its end: {reason or 'no reason given'}"
        return Opinion("inconclusive", told, raw)
    if report.end.get("verdict") == "inconclusive":
        reason = report.end.get("reason", "unknown")
        return Opinion("inconclusive", f"the guest could not read the disk: {reason}", raw)
    digest = "" if report.is_mountable else case.content.result().digest
    expected = Expectation(case.size_bytes or 0, digest, case.ledger)
    found = defects(report, expected)
    facts = _facts(guest, lines, report)
    if found:
        return Opinion("bad", "; ".join(found), raw, facts)
    return Opinion("good", f"{_path_of(case)}: {summary(report)}", raw, facts)


def _path_of(case: Case) -> str:
    return "straight over HTTP" if case.disk.is_remote else "straight from the file"


def _facts(
    guest: GuestVm, lines: list[GuestLine], report: GuestReport
) -> dict[str, float | int | str | bool]:
    facts: dict[str, float | int | str | bool] = {
        "vm_accelerator": guest.plan.accelerator,
        "vm_boot_s": round(lines[0].at - guest.started_at, 3),
        "vm_total_s": round(lines[-1].at - guest.started_at, 3),
        "filesystem": report.filesystem,
        "mounted": report.text("mount", "result") == "ok",
    }
    for step in ("mount", "ledger", "unmount", "e2fsck", "read"):
        if step in report.steps:
            facts[f"{step}_s"] = report.number(step, "ms", 0) / 1000
    if report.text("ledger", "present") == "1":
        facts["ledger_entries"] = report.number("ledger", "entries")
        facts["ledger_last"] = report.text("ledger", "last")
    return facts


def _raw(guest: GuestVm, lines: list[GuestLine]) -> str:
    said = "".join(f"{line.at - guest.started_at:8.3f} s  {line.text}\n" for line in lines)
    console = _tail(guest.plan.console_log)
    return redact(
        f"$ {guest.evidence}\n# what the guest said, by seconds since QEMU's start\n{said}\n"
        f"# what QEMU said\n{guest.complaints}\n# the guest's console\n{console}"
    )


def _tail(path: Path) -> str:
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8", errors="backslashreplace")
    return text[-_CONSOLE_CHARACTERS_MAX:]
