"""A bench's result as one JSON object: `bench`, `ratios`, `figures`, `environment`."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.bench.disturbance import MachineWatch, disturbances
from harness.bench.pairs import CLAIM_PAIRS_MIN, Measurements
from harness.bench.scene import BenchOrder, Scene
from harness.lab.surroundings import machine
from harness.parts import versions

__all__ = ["BenchResult", "measure"]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What is printed; `environment` says where, on what, and whether anything disturbed it."""

    bench: str
    ratios: dict[str, float]
    figures: dict[str, float]
    environment: dict[str, str]

    def to_builtins(self) -> dict[str, object]:
        """The object to print."""
        return asdict(self)


def measure(name: str, bench: Callable[[Scene], Measurements], order: BenchOrder) -> BenchResult:
    """Run one bench on a scene of its own, with an eye on the machine."""
    surroundings = machine(Path(tempfile.gettempdir()))
    with MachineWatch() as watch, Scene(order) as scene:
        service = "none" if order.offline else f"Azurite {scene.service.version}"
        found = bench(scene)
    use = watch.use
    reasons = disturbances(use, found.spreads(), os.cpu_count() or 1)
    environment = {
        **surroundings,
        "blob service": service,
        "pairs": str(order.pairs),
        "other processes' share": f"{use.strangers_share:.1%}",
        "stolen share": f"{use.steal_share:.1%}",
        "forced context switches": str(use.switches_forced),
        "disturbed": f"yes: {'; '.join(reasons)}" if reasons else "no",
        "complete": _completeness(order),
        **versions(),
    }
    return BenchResult(name, found.ratios, found.figures, environment)


def _completeness(order: BenchOrder) -> str:
    if order.quick:
        return "no: a quick look at small sizes, no measurement"
    if order.pairs < CLAIM_PAIRS_MIN:
        return f"no: {order.pairs} pairs, a claim needs {CLAIM_PAIRS_MIN}"
    return "yes"
