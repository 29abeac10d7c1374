"""What the simulation found in one certification, as it stands in the evidence.

Everything was told by `mountproof swarm`, `explore` and `mutants` as JSON, whose whole output lies
beside it; this is what the judges and the reports need of it.
"""

import msgspec

__all__ = [
    "Boots",
    "Exploration",
    "KillMatrix",
    "Mutant",
    "SimulatedFinding",
    "SimulationRecord",
    "Swarm",
]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One JSON object; an unknown key is an error."""


class SimulatedFinding(_Record, frozen=True):
    """A counterexample: `schedule` is the path of the shrunk one; `mountproof replay` tells it.

    `found_by` is swarm, explore or materialise; `times` how often its cause was seen.
    """

    claim: str
    cause: str
    text: str
    found_by: str
    times: int = 1
    steps: int = 0
    schedule: str = ""


class Swarm(_Record, frozen=True):
    """Drawn disasters: per claim the non-trivial checks, per fault its real effects.

    `simulator`: interpreted, or compiled with what; both do the same, at another speed.
    """

    seed: int
    disasters: int
    seconds: float
    digest: str
    exercised: dict[str, int]
    fired: dict[str, int]
    steps_mean: float
    store_requests_mean: float
    run_twice: int
    interrupted: bool
    evidence: str
    simulator: str = "interpreted"


class Exploration(_Record, frozen=True):
    """Every crash at every store request of some workloads, by the name of the workload."""

    runs: dict[str, int]
    pairs: int
    seconds: float
    exercised: dict[str, int]
    evidence: str


class Boots(_Record, frozen=True):
    """Disks of simulated disasters made real, proved, and booted.

    `refused`: disks that had to be refused, and were.
    """

    images: int
    booted: int
    refused: int
    pages: int
    boot_s: float
    verdict: str
    missing: list[str]


class Mutant(_Record, frozen=True):
    """A planted bug; `disasters` it took (median over seeds), `steps` of its shrunk schedule.

    missed_without: a swarm without the checkers of its claims missed it (None: not tried);
    also_caught_by: claims that found it in a swarm without the checker of `claim`.
    """

    name: str
    claim: str
    caught: bool
    caught_by: str
    disasters: float
    steps: int
    missed_without: bool | None = None
    also_caught_by: list[str] = []


class KillMatrix(_Record, frozen=True):
    """The last run of `mountproof mutants`, of the sources with this `digest`.

    `stale`: the engine or the harness has changed since, so it says nothing of this run's power.
    """

    digest: str
    made_at: str
    stale: bool
    mutants: list[Mutant]

    @property
    def caught(self) -> int:
        """How many were caught."""
        return sum(1 for mutant in self.mutants if mutant.caught)

    @property
    def missed_without(self) -> int:
        """How many a swarm misses in which the checkers of their claims are off."""
        return sum(1 for mutant in self.mutants if mutant.missed_without)


class SimulationRecord(_Record, frozen=True):
    """All of it. What the profile asked for and could not be had is in `missing`, with reasons."""

    swarm: Swarm | None = None
    exploration: Exploration | None = None
    boots: Boots | None = None
    kill_matrix: KillMatrix | None = None
    findings: list[SimulatedFinding] = []
    missing: list[str] = []

    def exercised(self, claim: str) -> int:
        """Non-trivial checks of a claim, by swarm and exploration."""
        parts = (self.swarm, self.exploration)
        return sum(part.exercised.get(claim, 0) for part in parts if part is not None)

    @property
    def disasters(self) -> int:
        """Simulated disasters, drawn and exhaustive."""
        drawn = self.swarm.disasters if self.swarm is not None else 0
        return drawn + (sum(self.exploration.runs.values()) if self.exploration is not None else 0)
