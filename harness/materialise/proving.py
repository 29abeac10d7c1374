"""One disk made real, and every prover's word held against the oracle's.

A disk that the oracle calls good must open for the strict validator, QEMU's tools, libvhdi and
dissect, read page for page as it was rendered, and boot. One that it calls unusable must be refused
by the strict validator, and one with rot or an inadmissible page must be told from the truth by
comparison and by the guest. Whatever else happens is a disagreement: either side may be wrong.
"""

import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.disk.case import Case, Opinion, Prover
from harness.disk.content import data_extents
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.local_disk import LocalDisk
from harness.disk.provers.qemu_image import QemuImage, image_argument, refused
from harness.disk.provers.readers import Dissect, Libvhdi
from harness.disk.provers.strict import StrictValidator
from harness.disk.tools import ToolBox
from harness.disk.validator import validate
from harness.materialise.boot_code import BootCode
from harness.materialise.boot_prover import BootReport, boot
from harness.materialise.candidate import Candidate

__all__ = ["Disagreement", "Proved", "prove_disk"]

_BOOT: Final = "boot sector"
_COMPARE_S: Final = 60.0
_DIFFERENT: Final = 1


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Oracle and prover say different things of one disk. `cause` is a slug without numbers."""

    cause: str
    prover: str
    text: str


@dataclass(frozen=True, slots=True)
class Proved:
    """What came of one disk; `missing` names provers that could not do their part, and why."""

    candidate: Candidate
    opinions: dict[str, Opinion]
    report: BootReport
    disagreements: tuple[Disagreement, ...]
    missing: tuple[str, ...]
    seconds: float


class QemuCompareWhole:
    """`qemu-img compare` of the whole disk at once with its rendering, every page of it."""

    name = "qemu-img compare"
    consumers = ALL_CONSUMERS

    def judge(self, case: Case) -> Opinion:
        """One run: local sparse files of a few MiB need no windows."""
        assert case.source is not None
        file = {"driver": "file", "filename": str(case.source)}
        raw: dict[str, object] = {"driver": "raw", "file": file}
        images = [image_argument(node) for node in (case.qemu_disk(), raw)]
        run = case.tools.run(["qemu-img", "compare", *images], _COMPARE_S)
        if run.status == _DIFFERENT:
            return Opinion("bad", run.stdout.strip(), run.transcript())
        if run.status:
            return refused(run, [run])
        return Opinion("good", "every page reads as it was rendered", run.transcript())


def prove_disk(
    candidate: Candidate, code: BootCode, vhd: Path, scratch: Path, tools: ToolBox
) -> Proved:
    """Write the disk to `vhd` and take it through all provers; the file stays.

    Raises `Inconclusive` if QEMU or the disk cannot be used at all.
    """
    started = time.monotonic()
    raw = scratch / f"{vhd.name}.raw"
    candidate.shown.write_vhd(code, vhd)
    candidate.expected.write_raw(code, raw)
    try:
        opinions = _opinions(candidate, vhd, raw, scratch, tools)
        report = boot(vhd, candidate.expected, code, scratch, tools)
    finally:
        raw.unlink()
    found = tuple(_disagreements(candidate, opinions, report))
    missing = tuple(
        f"{name}: {opinion.summary}"
        for name, opinion in opinions.items()
        if opinion.verdict == "inconclusive"
    )
    return Proved(candidate, opinions, report, found, missing, time.monotonic() - started)


def _provers(candidate: Candidate) -> tuple[Prover, ...]:
    strict = StrictValidator()
    if candidate.problem:
        return (strict,)
    return (strict, QemuImage(), QemuCompareWhole(), Libvhdi(), Dissect())


def _opinions(
    candidate: Candidate, vhd: Path, raw: Path, scratch: Path, tools: ToolBox
) -> dict[str, Opinion]:
    disk = LocalDisk(vhd)
    try:
        layout = validate(disk)
        end = layout.length if layout.size_bytes is None else layout.size_bytes
        case = Case(
            disk=disk, layout=layout, extents=data_extents(disk, end), content=Future(),
            consumers=ALL_CONSUMERS, source=raw, ledger=None, tools=tools, scratch=scratch,
        )  # fmt: skip
        return {prover.name: prover.judge(case) for prover in _provers(candidate)}
    finally:
        disk.close()


def _disagreements(
    candidate: Candidate, opinions: dict[str, Opinion], report: BootReport
) -> list[Disagreement]:
    told = {name: (opinion.verdict, opinion.summary) for name, opinion in opinions.items()}
    told[_BOOT] = ("good" if report.right else "bad", _last_lines(report))
    if candidate.must_be_right:
        return [
            Disagreement("oracle-accepts-prover-refuses", name, f"{name}: {summary}")
            for name, (verdict, summary) in told.items()
            if verdict == "bad"
        ]
    judges = (StrictValidator.name,) if candidate.problem else (QemuCompareWhole.name, _BOOT)
    why = candidate.problem or _wrong(candidate)
    return [
        Disagreement("oracle-refuses-prover-accepts", name, f"{name} accepts it, but: {why}")
        for name in judges
        if told[name][0] == "good"
    ]


def _wrong(candidate: Candidate) -> str:
    page = candidate.wrong_page
    if page < 0:
        return "a page rotted at rest"
    should = candidate.expected.pages.get(page, 0)
    return f"page {page} must show {should}, not {candidate.shown.pages.get(page, 0)}"


def _last_lines(report: BootReport) -> str:
    return "; ".join(report.told.splitlines()[-2:])
