"""What the simulation says about a claim: alone, or beside the lab's own judge.

A finding violates its claim, whatever the lab saw. Without one, a claim that only the simulation
judges is held for simulated disasters, and its text says so; it does not verify real processes,
networks, services or disks.
"""

from harness.judge.ruling import Ruling, plural
from harness.profile import SimulationBounds
from harness.simulation_record import SimulationRecord

__all__ = ["add_simulation", "judge_simulated"]

OURS = ("core-error", "checker-error")
"""Causes that no claim of the catalogue stands for: the core broke down, or a checker of ours."""


def judge_simulated(
    claim: str, simulation: SimulationRecord | None, bounds: SimulationBounds
) -> Ruling:
    """Demand a swarm that exercised the claim, and nothing found."""
    ruling = Ruling(
        claim,
        bound=f"no finding in at least {plural(bounds.disasters, 'simulated disaster')}",
        simulated_only=True,
    )
    if simulation is not None:
        ruling.gaps += simulation.missing
    if simulation is None or simulation.swarm is None:
        ruling.gaps.append("no swarm was run")
        return ruling
    swarm = simulation.swarm
    ruling.cite(swarm.evidence)
    ruling.exercised = simulation.exercised(claim)
    ruling.trials = simulation.disasters
    ruling.figure = (
        f"{sum(1 for found in simulation.findings if found.claim == claim)} findings in"
        f" {plural(simulation.disasters, 'simulated disaster')}"
    )
    if swarm.disasters < bounds.disasters:
        told = "interrupted after" if swarm.interrupted else "only"
        ruling.gaps.append(f"{told} {plural(swarm.disasters, 'disaster')} of the swarm")
    ruling.remark = "in simulation only: real services, networks and disks are not shown"
    return ruling


def add_simulation(ruling: Ruling, simulation: SimulationRecord | None) -> Ruling:
    """Add what the simulation found about the ruling's claim, and how often it looked."""
    if simulation is None:
        return ruling
    for found in simulation.findings:
        if found.claim == ruling.claim:
            evidence = simulation.swarm.evidence if simulation.swarm is not None else ""
            ruling.cite(found.schedule or evidence)
            ruling.breaches.append(f"in simulation ({found.found_by}): {found.cause}: {found.text}")
        elif found.claim in OURS and ruling.simulated_only:
            ruling.gaps.append(f"in simulation ({found.found_by}): {found.cause}: {found.text}")
    checks = simulation.exercised(ruling.claim)
    if checks and not ruling.simulated_only:
        looked = (
            f"in simulation {plural(checks, 'check')} over"
            f" {plural(simulation.disasters, 'disaster')}"
        )
        ruling.figure = "; ".join(part for part in (ruling.figure, looked) if part)
        if simulation.swarm is not None:
            ruling.cite(simulation.swarm.evidence)
    return ruling
