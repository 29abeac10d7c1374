"""The last kill matrix of this machine, keyed by the digest of the sources that it speaks about.

`mountproof mutants` keeps it here and certificates show it: a pass has the power that the matrix
measured. After a change of engine or harness it is shown as stale.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from harness.provision.places import places
from harness.simulation_record import KillMatrix, Mutant

__all__ = ["keep_matrix", "last_matrix", "sources_digest"]

NAME: Final = "kill-matrix.json"
ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("engine", "harness")


def sources_digest() -> str:
    """Sha256 over the names and contents of all Python files of engine and harness."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            content = file.read_bytes()
            digest.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def keep_matrix(mutants: Iterable[Mutant], digest: str) -> Path:
    """Keep a whole matrix; `digest` is of the sources as they were when it began."""
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    matrix = KillMatrix(digest=digest, made_at=made_at, stale=False, mutants=list(mutants))
    place = _place()
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(matrix)) + b"\n")
    fresh.rename(place)
    return place


def last_matrix() -> KillMatrix | None:
    """The matrix that was kept last; None if there is none that can be read."""
    try:
        matrix = msgspec.json.decode(_place().read_bytes(), type=KillMatrix)
    except (OSError, msgspec.MsgspecError):
        return None
    return msgspec.structs.replace(matrix, stale=matrix.digest != sources_digest())


def _place() -> Path:
    return places().cache / NAME
