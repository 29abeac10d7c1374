"""What drawn disasters come to, as one digest: equal on every machine and every Python.

    python -m harness.explore.fingerprint FIRST_SEED COUNT

prints one JSON object. It needs msgspec and nothing else, so that it runs under any Python that is
at hand, beside the one that mountproof is installed for.
"""

import hashlib
import json
import platform
import sys

from harness.sim.disaster import run_disaster
from harness.sim.drawing import draw_schedule

__all__ = ["fingerprint"]


def fingerprint(first: int, count: int) -> str:
    """Digest over everything that came of the disasters of so many seeds: traces and counts."""
    digest = hashlib.sha256()
    for seed in range(first, first + count):
        outcome = run_disaster(draw_schedule(seed))
        told = (
            seed, outcome.digest, outcome.events, outcome.store_requests, outcome.simulated_us,
            sorted(outcome.exercised.items()), list(outcome.fired.items()), outcome.waiting_for,
            [(found.claim, found.cause, found.at_us, found.text) for found in outcome.findings],
        )  # fmt: skip
        digest.update(json.dumps(told).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    first, count = map(int, sys.argv[1:])
    told = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "disasters": count,
        "digest": fingerprint(first, count),
    }
    print(json.dumps(told))
