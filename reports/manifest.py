"""The manifest: every file of a report folder with its sha256, and what differs from it later."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Difference", "make_manifest", "manifest_differences"]

Difference = tuple[str, str]
"""A path relative to the folder, and what happened to it: "changed", "missing" or "added"."""


def make_manifest(root: Path, *, but: frozenset[str] = frozenset()) -> dict[str, str]:
    """Map the path of every regular file below `root` to its sha256 in hex, sorted by path.

    Paths use "/" and are relative to `root`; those in `but` are left out, and so are symbolic
    links, which might lead anywhere.
    """
    files = {
        place.relative_to(root).as_posix(): place
        for place in root.rglob("*")
        if place.is_file() and not place.is_symlink()
    }
    return {rel: _digest(files[rel]) for rel in sorted(files) if rel not in but}


def _digest(place: Path) -> str:
    with place.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def manifest_differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Compare two manifests; an empty list means that nothing was changed, lost or added."""
    differences = [(path, "missing") for path in then.keys() - now.keys()]
    differences += [(path, "added") for path in now.keys() - then.keys()]
    differences += [
        (path, "changed") for path in then.keys() & now.keys() if then[path] != now[path]
    ]
    return sorted(differences)
