"""The simulated part of a certification: swarm, exhaustive run, booted disks, kill matrix.

Each is the command that anybody can run (`mountproof swarm --json ...`), in a process of its own,
so that one that dies or hangs takes nothing else with it; what it printed is evidence as it is.
"""

import contextlib
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from harness.errors import Inconclusive
from harness.evidence import EvidenceFolder
from harness.kill_matrix import last_matrix
from harness.lab.process import LabProcess
from harness.lab.waiting import StopSignal
from harness.profile import Profile
from harness.simulation_record import (
    Boots,
    Exploration,
    SimulatedFinding,
    SimulationRecord,
    Swarm,
)

__all__ = ["Simulation"]

PROGRAM: Final = (sys.executable, "-c", "from harness.command_line.main import run; run()")
FOLDER: Final = "evidence/simulation"
SWARM_S_MAX: Final = 300.0
EXPLORE_S_MAX: Final = 300.0
MUTANTS_S_MAX: Final = 1200.0
ALL_FAULTS_FROM: Final = 4000
SEEDS: Final = 10**11
"""A swarm takes seeds below this."""

STORY_STATUS: Final = (0, 1, 2)
"""Held, violated, inconclusive: with these a command has told what it has to tell."""


class _Found(msgspec.Struct):
    """A finding, as the commands print it."""

    claim: str
    cause: str
    text: str
    seed: int
    times: int
    steps: int = 0
    file: str = ""


class _Contradiction(msgspec.Struct):
    seed: int
    moment: str
    cause: str
    prover: str
    text: str


class _Boots(msgspec.Struct):
    images: int
    booted: int
    refused: int
    pages: int
    boot_s: float
    verdict: str
    findings: list[_Contradiction]
    missing: list[str]


class _Swarm(msgspec.Struct):
    seed: int
    disasters: int
    seconds: float
    digest: str
    findings: list[_Found]
    exercised: dict[str, int]
    fired: dict[str, int]
    never_exercised: list[str]
    never_fired: list[str]
    interrupted: bool
    steps_mean: float
    store_requests_mean: float
    run_twice: int
    boots: _Boots | None
    simulator: str = "interpreted"


class _Workload(msgspec.Struct):
    workload: str
    runs: int
    pairs: int
    missed: int
    findings: list[_Found]
    exercised: dict[str, int]
    seconds: float


class _Explored(msgspec.Struct):
    workloads: list[_Workload]


_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class Simulation:
    """Runs what the profile asks for; call `run` once."""

    profile: Profile
    seed: int
    scratch: Path
    evidence: EvidenceFolder
    stop: StopSignal
    tell: Callable[[str], None]
    program: Sequence[str] = PROGRAM
    _findings: dict[str, list[SimulatedFinding]] = field(default_factory=dict)
    _missing: dict[str, str] = field(default_factory=dict)
    """Both by the name of the command."""

    def run(self) -> SimulationRecord:
        """Swarm and exploration side by side, for the latter keeps one processor busy."""
        with ThreadPoolExecutor(1, thread_name_prefix="explore") as beside:
            exploring = beside.submit(self._explore)
            swarm, boots = self._swarm()
            exploration = exploring.result()
        self._mutants()
        names = ("swarm", "explore", "mutants")
        return SimulationRecord(
            swarm=swarm,
            exploration=exploration,
            boots=boots,
            kill_matrix=last_matrix(),
            findings=[found for name in names for found in self._findings.get(name, [])],
            missing=[f"{name}: {self._missing[name]}" for name in names if name in self._missing],
        )

    def _swarm(self) -> tuple[Swarm | None, Boots | None]:
        plan, disks = self.profile.swarm, self.profile.materialise
        if plan is None:
            return None, None
        words = ["swarm", "--seed", str(self.seed % SEEDS), "--disasters", str(plan.disasters)]
        if disks is not None:
            words += ["--materialise", str(disks.boots)]
        told, rel = self._command("swarm", words, _Swarm, SWARM_S_MAX)
        if told is None:
            return None, None
        self._keep_findings("swarm", told.findings)
        self._note_gaps(told)
        swarm = Swarm(
            seed=told.seed,
            disasters=told.disasters,
            seconds=told.seconds,
            digest=told.digest,
            exercised=told.exercised,
            fired=told.fired,
            steps_mean=told.steps_mean,
            store_requests_mean=told.store_requests_mean,
            run_twice=told.run_twice,
            interrupted=told.interrupted,
            evidence=rel,
            simulator=told.simulator,
        )
        return swarm, self._boots(told.boots, rel)

    def _note_gaps(self, told: _Swarm) -> None:
        """What never happened is not shown; a small swarm is not expected to meet every fault."""
        never = [f"{claim} was never exercised" for claim in told.never_exercised]
        if told.disasters >= ALL_FAULTS_FROM:
            never += [f"{fault} never struck" for fault in told.never_fired]
        if told.boots is not None and told.boots.verdict == "inconclusive":
            never += told.boots.missing[:1] or ["the disks could not be proved"]
        if never:
            self._missing["swarm"] = "; ".join(never)

    def _boots(self, told: _Boots | None, rel: str) -> Boots | None:
        if told is None:
            return None
        self._findings.setdefault("swarm", []).extend(
            SimulatedFinding(
                claim="consumable",
                cause=found.cause,
                text=f"{found.moment} of seed {found.seed}: {found.prover}: {found.text}",
                found_by="materialise",
                schedule=rel,
            )
            for found in told.findings
        )
        return Boots(
            images=told.images,
            booted=told.booted,
            refused=told.refused,
            pages=told.pages,
            boot_s=told.boot_s,
            verdict=told.verdict,
            missing=told.missing,
        )

    def _explore(self) -> Exploration | None:
        plan = self.profile.explore
        if plan is None:
            return None
        words = ["explore", *(["--pairs"] if plan.pairs else [])]
        told, rel = self._command("explore", words, _Explored, EXPLORE_S_MAX)
        if told is None:
            return None
        exercised: dict[str, int] = {}
        for workload in told.workloads:
            self._keep_findings("explore", workload.findings)
            for claim, count in workload.exercised.items():
                exercised[claim] = exercised.get(claim, 0) + count
        missed = sum(workload.missed for workload in told.workloads)
        if missed:
            self._missing["explore"] = f"{missed} crashes did not strike the request meant"
        return Exploration(
            runs={workload.workload: workload.runs for workload in told.workloads},
            pairs=sum(workload.pairs for workload in told.workloads),
            seconds=round(sum(workload.seconds for workload in told.workloads), 3),
            exercised=exercised,
            evidence=rel,
        )

    def _mutants(self) -> None:
        plan = self.profile.mutants
        if plan is None:
            return
        words = ["mutants", "--seeds", str(plan.seeds)]
        self._command("mutants", words, dict[str, object], MUTANTS_S_MAX)

    def _command(
        self, name: str, words: Sequence[str], shape: type[_T], most_s: float
    ) -> tuple[_T | None, str]:
        """Run a command; returns what it printed, and where that is kept. None: see `missing`."""
        if self.stop.is_set:
            self._missing[name] = "the run was stopped before it"
            return None, ""
        self.tell(" ".join(["mountproof", *words]))
        folder = self.scratch / name
        folder.mkdir()
        process = LabProcess(
            name,
            [*self.program, *words, "--json", "--out", str(folder)],
            output=self.scratch / f"{name}.json",
            log=self.scratch / f"{name}.log",
        )
        try:
            self.stop.until(lambda: not process.running, most_s, name)
        except Inconclusive as error:  # too slow, or the run was stopped
            self._missing[name] = str(error)
        finally:
            status = process.exit_status if not process.running else process.stop()
        rel = self.evidence.adopt_file(f"{FOLDER}/{name}.json", process.output)
        self.evidence.adopt_file(f"{FOLDER}/{name}.log", process.log)
        return self._read(name, process, status, shape), rel

    def _read(
        self, name: str, process: LabProcess, status: int | None, shape: type[_T]
    ) -> _T | None:
        with contextlib.suppress(msgspec.MsgspecError):
            if status in STORY_STATUS:
                return msgspec.json.decode(process.output.read_bytes(), type=shape)
        words = process.log.read_text("utf-8", "replace").strip().splitlines()
        last = words[-1] if words else "it said nothing"
        told = f"ended with status {status}: {self.evidence.redact(last)}"
        self._missing.setdefault(name, told)
        return None

    def _keep_findings(self, name: str, found: Sequence[_Found]) -> None:
        for number, finding in enumerate(found, 1):
            schedule, place = "", Path(finding.file)
            if finding.file and place.is_file():
                rel = f"{FOLDER}/findings/{name}-{number}-{place.name}"
                schedule = self.evidence.adopt_file(rel, place)
            self._findings.setdefault(name, []).append(
                SimulatedFinding(
                    claim=finding.claim,
                    cause=finding.cause,
                    text=finding.text,
                    found_by=name,
                    times=finding.times,
                    steps=finding.steps,
                    schedule=schedule,
                )
            )
