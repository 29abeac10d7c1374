"""The same disasters under every Python at hand, with other hash seeds: one fingerprint."""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.explore.fingerprint import fingerprint
from harness.provision import other_pythons
from harness.provision.places import places

ROOT = Path(__file__).resolve().parents[2]
COUNT = 30
CURRENT = sys.version_info.minor


def under(python: Path, hash_seed: int) -> dict[str, str]:
    """What the program prints there; nothing of this Python's packages is in its reach."""
    ended = subprocess.run(
        [str(python), "-m", "harness.explore.fingerprint", "0", str(COUNT)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONHASHSEED": str(hash_seed)},
    )  # fmt: skip
    assert ended.returncode == 0, f"{python}: {ended.stderr}"
    told: dict[str, str] = json.loads(ended.stdout)
    return told


def test_every_python_at_hand_does_the_same() -> None:
    """This one, in another process, and each other one that `make setup` found a place for."""
    others = other_pythons.at_hand()
    interpreters = {CURRENT: Path(sys.executable)}
    for other in others:
        ready = other_pythons.ready(other, places())
        assert ready is not None, f"no environment of Python 3.{other.minor}: run `make setup`"
        interpreters[other.minor] = ready
    told = {minor: under(python, minor) for minor, python in interpreters.items()}
    versions = {minor: answer["python"].split(".")[1] for minor, answer in told.items()}
    assert versions == {minor: str(minor) for minor in (CURRENT, *(one.minor for one in others))}
    assert {answer["digest"] for answer in told.values()} == {fingerprint(0, COUNT)}


def test_other_disasters_have_another_fingerprint() -> None:
    assert fingerprint(0, 2) != fingerprint(1, 2)
    assert fingerprint(0, 2) != fingerprint(0, 3)
