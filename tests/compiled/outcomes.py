"""A program that runs the disasters of seeds 0 to COUNT and prints what came of each.

The first line says where the simulated world and the core come from.
"""

import hashlib
import sys

import engine.core.primary
import harness.checkers.scene
import harness.sim.world
from harness.sim.disaster import run_disaster
from harness.sim.drawing import draw_schedule

__all__ = ["outcome_lines"]


def outcome_lines(count: int) -> list[str]:
    """The digest of the trace, and one of everything that the run said."""
    lines = []
    for seed in range(count):
        outcome = run_disaster(draw_schedule(seed))
        said = hashlib.sha256(repr(outcome).encode()).hexdigest()
        lines.append(f"{seed} {outcome.digest} {said}")
    return lines


if __name__ == "__main__":
    files = (
        engine.core.primary.__file__,
        harness.sim.world.__file__,
        harness.checkers.scene.__file__,
    )
    lines = [" ".join(map(str, files)), *outcome_lines(int(sys.argv[1]))]
    sys.stdout.write("\n".join(lines) + "\n")
