"""The simulated part of a run as the page shows it: counts as bars, findings, the kill matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10

from harness.evidence import RunRecord
from harness.simulation_record import KillMatrix, Mutant, SimulatedFinding, SimulationRecord
from reports.wording import plural, seconds

__all__ = ["Bar", "SimulationSection", "simulation_section", "simulation_sentences"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A count; `width` is a part of 1000, on a scale of powers of ten."""

    name: str
    count: int
    width: float


@dataclass(frozen=True, slots=True)
class SimulationSection:
    """What the section shows; every part may be missing."""

    record: SimulationRecord
    exercised: list[Bar]
    fired: list[Bar]
    findings: list[SimulatedFinding]
    matrix: KillMatrix | None
    mutants: list[Mutant]
    sentences: list[str]


def simulation_section(record: RunRecord) -> SimulationSection | None:
    """Lay the section out; None if the profile simulates nothing."""
    simulation = record.simulation
    if simulation is None:
        return None
    swarm, matrix = simulation.swarm, simulation.kill_matrix
    claims = sorted({*(swarm.exercised if swarm is not None else {})})
    return SimulationSection(
        record=simulation,
        exercised=_bars({claim: simulation.exercised(claim) for claim in claims}),
        fired=_bars(swarm.fired if swarm is not None else {}),
        findings=simulation.findings,
        matrix=matrix,
        mutants=sorted(matrix.mutants, key=_by_claim) if matrix is not None else [],
        sentences=simulation_sentences(simulation),
    )


def simulation_sentences(simulation: SimulationRecord) -> list[str]:
    """Say what was simulated, part by part."""
    sentences = []
    swarm, explored, boots = simulation.swarm, simulation.exploration, simulation.boots
    if swarm is not None:
        sentences.append(
            f"{plural(swarm.disasters, 'drawn disaster')} in {seconds(swarm.seconds)}"
            f" ({swarm.simulator}), each of"
            f" {swarm.steps_mean:.0f} steps and {swarm.store_requests_mean:.0f} requests to the"
            f" store on average; {swarm.run_twice} were run twice and gave the same trace."
        )
    if explored is not None:
        sentences.append(
            f"Every crash at every request of {plural(len(explored.runs), 'workload')}:"
            f" {plural(sum(explored.runs.values()), 'run')}, {explored.pairs} of them with two"
            " crashes."
        )
    if boots is not None:
        sentences.append(
            f"{plural(boots.images, 'disk')} of simulated disasters made real, {boots.booted}"
            f" booted ({seconds(boots.boot_s)} each), {boots.pages:,} pages compared by the guests."
        )
    return sentences


def _by_claim(mutant: Mutant) -> tuple[str, str]:
    return mutant.claim, mutant.name


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    scale = log10(1 + max(counts.values(), default=0)) or 1.0
    return [
        Bar(name, count, 1000 * log10(1 + count) / scale) for name, count in sorted(counts.items())
    ]
