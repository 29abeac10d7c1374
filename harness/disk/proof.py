"""Proving a disk: every prover looks at it, and the strictest verdict counts.

1. Open the disk; what is not there or refused ends here (`UsageError`).
2. Read footer, first sector, length and the list of data: the strict layout.
3. The VM prover starts; meanwhile strict content reading, QEMU's tools, libvhdi and dissect.
4. Each step's raw output goes to the evidence folder; bad before inconclusive before good.

A step that could not be done (a tool is missing, the service died) is inconclusive, never good.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from harness.attentive import result_of
from harness.disk.case import Case, Opinion, Prover
from harness.disk.content import data_extents
from harness.disk.expected_ledger import ExpectedLedger
from harness.disk.findings import ALL_CONSUMERS, Consumer, Finding
from harness.disk.local_disk import LocalDisk
from harness.disk.provers.guest import GuestMount
from harness.disk.provers.qemu_compare import QemuCompare
from harness.disk.provers.qemu_image import QemuImage, QemuIo
from harness.disk.provers.readers import Dissect, Libvhdi
from harness.disk.provers.strict import StrictValidator
from harness.disk.source import Disk, Extent, open_disk
from harness.disk.tools import ToolBox
from harness.disk.validator import Layout, validate
from harness.errors import Inconclusive, UsageError
from harness.evidence import EvidenceFolder, ProofStep
from harness.redaction import redact

__all__ = ["ExpectedLedger", "ProofResult", "optional_provers", "prove"]

ProofVerdict = Literal["good", "bad", "inconclusive"]
_EXIT_CODES: Final[dict[ProofVerdict, int]] = {"good": 0, "bad": 1, "inconclusive": 2}
_RAW_FOLDER: Final = "evidence/prove"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofResult:
    """What all provers together say about one disk.

    `facts` hold figures by name: size_bytes, data_bytes, digest, and the guest's (ledger_entries,
    vm_start_s, mount_s, verify_s, ...). `findings` are the strict layout's, warnings included.
    """

    name: str
    verdict: ProofVerdict
    consumers: tuple[Consumer, ...]
    steps: tuple[ProofStep, ...]
    findings: tuple[Finding, ...]
    facts: dict[str, float | int | str | bool] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 good, 1 read and bad, 2 inconclusive."""
        return _EXIT_CODES[self.verdict]


def provers() -> tuple[Prover, ...]:
    """Return all provers; the strict one first, on whose content the others wait."""
    return (
        StrictValidator(),
        QemuImage(),
        QemuIo(),
        QemuCompare(),
        Libvhdi(),
        Dissect(),
        GuestMount(),
    )


def optional_provers() -> tuple[str, ...]:
    """Return the names of provers that can be left out: all but the strict one."""
    return tuple(prover.name for prover in provers()[1:])


def prove(
    place: str,
    *,
    consumers: frozenset[Consumer] = ALL_CONSUMERS,
    source: Path | None = None,
    ledger: ExpectedLedger | None = None,
    folder: EvidenceFolder | None = None,
    raw_folder: str = _RAW_FOLDER,
    without: frozenset[str] = frozenset(),
    on_step: Callable[[ProofStep], None] | None = None,
) -> ProofResult:
    """Prove the disk at `place`, a path or a URL, for all of `consumers`.

    With `folder`, raw outputs are written below its `raw_folder`. Provers named in `without` are
    left out, which makes the proof inconclusive at best. `on_step` is called with each finished
    step, from the thread that did it. Raises `UsageError` if the disk or source
    is not there or access is refused, `Inconclusive` if the disk could not even be opened.
    """
    if not without <= set(optional_provers()):
        raise UsageError(f"cannot leave out {sorted(without)}: not all are optional provers")
    started = time.monotonic()
    disk = open_disk(place)
    try:
        layout, extents = _look(disk, source)
        with tempfile.TemporaryDirectory(prefix="mountproof-prove-") as scratch:
            case = Case(
                disk=disk,
                layout=layout,
                extents=extents,
                content=Future(),
                consumers=consumers,
                source=source,
                ledger=ledger,
                tools=ToolBox(),
                scratch=Path(scratch),
            )
            record = _Record(folder, raw_folder, on_step)
            steps, facts = _Run(case, record, without).all_steps()
    finally:
        disk.close()
    seconds = time.monotonic() - started
    return ProofResult(
        name=disk.name,
        verdict=overall(steps),
        consumers=tuple(sorted(consumers)),
        steps=tuple(steps),
        findings=layout.findings,
        facts=facts,
        seconds=round(seconds, 3),
    )


def overall(steps: Sequence[ProofStep]) -> ProofVerdict:
    """Merge: bad before inconclusive before good; steps that do not apply say nothing."""
    verdicts = {step.verdict for step in steps}
    if "bad" in verdicts:
        return "bad"
    if "inconclusive" in verdicts or "good" not in verdicts:
        return "inconclusive"
    return "good"


def _look(disk: Disk, source: Path | None) -> tuple[Layout, list[Extent]]:
    if source is not None:
        LocalDisk(source).close()  # a missing source must end the command before anything runs
    layout = validate(disk)
    end = layout.length if layout.size_bytes is None else layout.size_bytes
    return layout, data_extents(disk, end)


class _Run:
    """The steps of one proof: the VM beside all others, each timed and recorded."""

    def __init__(self, case: Case, record: "_Record", without: frozenset[str]) -> None:
        self._case = case
        self._record = record
        self._without = without
        self._facts: dict[str, float | int | str | bool] = {}

    def all_steps(self) -> tuple[list[ProofStep], dict[str, float | int | str | bool]]:
        *others, guest = provers()
        pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="prove")
        done = False
        try:
            booting = pool.submit(self._step, guest)
            reading = pool.submit(lambda: [self._step(prover) for prover in others])
            steps = [*result_of(reading), result_of(booting)]
            done = True
        finally:
            if not done:
                self._abandon()
            pool.shutdown(wait=True, cancel_futures=True)
        return steps, self._facts

    def _abandon(self) -> None:
        """Interrupted: end the tools and the reading, so that the threads end soon."""
        self._case.tools.stop()
        self._case.disk.close()
        self._case.content.cancel()

    def _step(self, prover: Prover) -> ProofStep:
        started = time.monotonic()
        opinion = self._opinion(prover)
        seconds = round(time.monotonic() - started, 3)
        self._facts.update(opinion.facts)
        return self._record.step(prover, opinion, seconds)

    def _opinion(self, prover: Prover) -> Opinion:
        if prover.name in self._without:
            return Opinion("inconclusive", "left out by request (--without)")
        if not prover.consumers & self._case.consumers:
            told = f"decides only for {', '.join(sorted(prover.consumers))}, not asked for"
            return Opinion("not applicable", told)
        try:
            opinion = prover.judge(self._case)
            if opinion.verdict == "bad" and self._case.disk.is_remote:
                self._case.disk.check_unchanged()  # else the service failed, not the disk
        except (Inconclusive, UsageError) as error:
            # It could be opened, so even a refusal (a SAS that expires) is no verdict on it.
            return Opinion("inconclusive", str(error), f"{error}\n")
        return opinion


@dataclass(frozen=True, slots=True)
class _Record:
    """Where finished steps go."""

    folder: EvidenceFolder | None
    raw_folder: str
    on_step: Callable[[ProofStep], None] | None

    def step(self, prover: Prover, opinion: Opinion, seconds: float) -> ProofStep:
        raw = self._write(prover, opinion)
        step = ProofStep(
            prover=prover.name,
            verdict=opinion.verdict,
            summary=redact(opinion.summary),
            seconds=seconds,
            raw=raw,
            consumers=sorted(prover.consumers),
        )
        if self.on_step is not None:
            self.on_step(step)
        return step

    def _write(self, prover: Prover, opinion: Opinion) -> str:
        if self.folder is None:
            return ""
        rel = f"{self.raw_folder}/{prover.name.replace(' ', '-')}.txt"
        return self.folder.write_text(rel, opinion.raw or f"{opinion.summary}\n")
