"""`mountproof swarm --materialise K`: the disks of K simulated disasters, made real and booted.

1. Run each schedule under the simulator, an observer keeping its crash, hand-over and final disks.
2. Leave out what was there before (by digest).
3. Write each as a sparse VHD, take it through every prover and a VM (proving.py).
4. Where oracle and prover disagree, that is a finding; its disk is kept if there is a folder.
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.checkers.checker import Checker
from harness.disk.tools import ToolBox
from harness.errors import Inconclusive
from harness.materialise.boot_code import BootCode, boot_code
from harness.materialise.candidate import Candidate, ImageCollector
from harness.materialise.proving import Proved, prove_disk
from harness.schedule import Schedule
from harness.sim.disaster import run_disaster
from harness.sim.system import REFERENCE, System

__all__ = ["Contradiction", "MaterialiseResult", "materialise"]

WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A finding: oracle and prover disagree on the disk that this seed's disaster left."""

    seed: int
    moment: str
    cause: str
    prover: str
    text: str
    disk: str


@dataclass(slots=True)
class MaterialiseResult:
    """Figures of a campaign. Lists are in the order of the schedules.

    disasters: run; images: different disks made real; booted: whose guest found every page right;
    booted_from_disk: of those, started by their own page 0; refused: that had to be refused and
    were; told_wrong: whose rotten or inadmissible page was told; pages: compared by guests; boot_s:
    mean time of one VM, cold start to exit; missing: what could not be judged, and why.
    """

    disasters: int = 0
    images: int = 0
    booted: int = 0
    booted_from_disk: int = 0
    refused: int = 0
    told_wrong: int = 0
    pages: int = 0
    boot_s: float = 0.0
    seconds: float = 0.0
    findings: list[Contradiction] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def images_per_s(self) -> float:
        """Disks through all provers a second."""
        return round(self.images / self.seconds, 2) if self.seconds else 0.0

    @property
    def verdict(self) -> str:
        """Bad with a finding; inconclusive if nothing booted or something was missing."""
        if self.findings:
            return "bad"
        return "good" if self.booted and not self.missing else "inconclusive"


def materialise(
    schedules: Iterable[Schedule],
    count: int,
    *,
    folder: Path | None = None,
    system: System = REFERENCE,
    tell: Callable[[MaterialiseResult], None] = lambda _: None,
) -> MaterialiseResult:
    """Make the disks of the first `count` schedules real; they stay in `folder` if there is one.

    `tell` gets the result so far after each disk. Raises `Inconclusive` without QEMU or a compiler.
    """
    started = time.monotonic()
    tools = ToolBox()
    tools.require("qemu-system-x86_64")
    result = MaterialiseResult()
    with tempfile.TemporaryDirectory(prefix="mountproof-materialise-") as scratch:
        room = _Room(boot_code(), tools, Path(scratch), folder)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="materialise") as pool:
            try:
                candidates = _candidates(schedules, count, system, result)
                for seed, proved, kept in pool.map(room.prove, candidates):
                    _add(result, seed, proved, kept)
                    result.seconds = round(time.monotonic() - started, 3)
                    tell(result)
            finally:
                tools.stop()
                pool.shutdown(cancel_futures=True)
    return result


def _candidates(
    schedules: Iterable[Schedule], count: int, system: System, result: MaterialiseResult
) -> Iterator[tuple[int, int, Candidate]]:
    """Running number, seed and disk, each different disk once."""
    seen: dict[str, int] = {}
    for schedule in schedules:
        if result.disasters == count:
            return
        witness = Checker()
        collector = ImageCollector(witness)
        run_disaster(schedule, system, (witness,), observers=(collector,))
        result.disasters += 1
        for candidate in collector.found:
            digest = candidate.digest()
            if digest not in seen:
                seen[digest] = schedule.seed
                yield len(seen), schedule.seed, candidate


class _Room:
    """Where disks are written, and whether they stay."""

    def __init__(self, code: BootCode, tools: ToolBox, scratch: Path, folder: Path | None) -> None:
        self._code = code
        self._tools = tools
        self._scratch = scratch
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def prove(self, numbered: tuple[int, int, Candidate]) -> tuple[int, Proved | str, str]:
        """One disk, or why it could not be proved; the last is where it stays, if it does."""
        number, seed, candidate = numbered
        moment = re.sub(r"\W+", "-", candidate.moment)
        vhd = (self._folder or self._scratch) / f"{number:03}-seed-{seed}-{moment}.vhd"
        try:
            proved: Proved | str = prove_disk(
                candidate, self._code, vhd, self._scratch, self._tools
            )
        except Inconclusive as error:
            proved = f"{candidate.moment}: {error}"
        finally:
            if self._folder is None:
                vhd.unlink(missing_ok=True)
        return seed, proved, vhd.name if self._folder else ""


def _add(result: MaterialiseResult, seed: int, proved: Proved | str, kept: str) -> None:
    if isinstance(proved, str):
        result.missing.append(f"seed {seed}, {proved}")
        return
    candidate = proved.candidate
    result.images += 1
    result.boot_s += (proved.report.seconds - result.boot_s) / result.images
    result.missing += [f"seed {seed}, {candidate.moment}: {what}" for what in proved.missing]
    result.findings += [
        Contradiction(seed, candidate.moment, d.cause, d.prover, d.text, kept)
        for d in proved.disagreements
    ]
    if proved.disagreements:
        return
    if candidate.problem:
        result.refused += 1
        return
    result.pages += candidate.expected.size_bytes // 512
    if candidate.must_be_wrong:
        result.told_wrong += 1
        return
    result.booted += 1
    result.booted_from_disk += proved.report.from_disk
