"""A fake `mountproof` for tests of the simulated part: prints what its first argument names."""

import json
import sys
import time
from pathlib import Path

SWARM = {
    "seed": 3, "core": "", "disasters": 4000, "seconds": 8.5, "digest": "ab" * 16,
    "exercised": {"live": 4000}, "fired": {"kill": 700}, "never_exercised": [],
    "never_fired": ["zombie"], "interrupted": False,
    "steps_mean": 50.1, "store_requests_mean": 61.0, "run_twice": 200,
    "boots": {
        "images": 9, "booted": 8, "refused": 1, "pages": 4096, "boot_s": 0.2, "verdict": "bad",
        "missing": [],
        "findings": [
            {"seed": 7, "moment": "end", "cause": "page", "prover": "boot", "text": "p 3"},
        ],
    },
}  # fmt: skip
EXPLORED = {
    "workloads": [
        {"workload": "pair", "runs": 136, "pairs": 12, "missed": 2, "findings": [], "seconds": 1.5,
         "exercised": {"live": 136}},
    ],
}  # fmt: skip


def main() -> int:
    """Tell, and end with the status that goes with it."""
    command, *words = sys.argv[1:]
    if command == "swarm":
        place = Path(words[words.index("--out") + 1]) / "live-stuck.json"
        place.write_text('{"schedule": 1}')
        found = {"claim": "live", "cause": "stuck", "text": "waits", "seed": 7, "times": 2}
        print(json.dumps({**SWARM, "findings": [{**found, "steps": 4, "file": str(place)}]}))  # noqa: T201 - a program of its own
        return 1
    if command == "explore":
        print(json.dumps(EXPLORED))  # noqa: T201 - a program of its own
        return 0
    print("planting", file=sys.stderr)  # noqa: T201 - a program of its own
    if "--seeds" in words and words[words.index("--seeds") + 1] == "99":
        time.sleep(60)
    print("cannot plant", file=sys.stderr)  # noqa: T201 - a program of its own
    return 70


if __name__ == "__main__":
    sys.exit(main())
