"""Renews the lock files: requirements.txt with hashes, and npm's package-lock.json.

Neither may name a registry: whoever installs decides where packages come from, the digests decide
what they are.
"""

import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import SetupError, run_logged

__all__ = ["write_locks"]

_ADDRESS = re.compile(r'"resolved": "http|^--(extra-)?index-url|^--find-links', re.MULTILINE)


def write_locks(places: Places) -> None:
    """Write both lock files; SetupError if one of them would name a registry."""
    node = places.checkout / "harness" / "provision" / "node"
    with tempfile.TemporaryDirectory(prefix="mountproof-lock-") as scratch:
        locked = _lock_python(places, Path(scratch))
        run_logged(
            "Locking the npm packages",
            ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund",
             "--omit-lockfile-registry-resolved=true"],
            places.log("lock-npm"),
            cwd=node,
        )  # fmt: skip
        _refuse_addresses(locked)
        _refuse_addresses(node / "package-lock.json")
        (places.checkout / "requirements.txt").write_bytes(locked.read_bytes())


def _lock_python(places: Places, scratch: Path) -> Path:
    wanted, locked, tools = scratch / "wanted.in", scratch / "locked.txt", scratch / "tools"
    project = tomllib.loads((places.checkout / "pyproject.toml").read_text("utf-8"))
    names = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    wanted.write_text("\n".join(names) + "\n", "utf-8")
    python = str(tools / "bin" / "python")
    run_logged("Making a place for pip-tools", [sys.executable, "-m", "venv", str(tools)],
               places.log("lock-venv"))  # fmt: skip
    run_logged("Getting pip-tools", [python, "-m", "pip", "install", "-q", "pip-tools"],
               places.log("lock-tools"))  # fmt: skip
    quiet = [f"--no-emit-{what}" for what in ("index-url", "find-links", "trusted-host", "options")]
    run_logged(
        "Locking the Python packages",
        [python, "-m", "piptools", "compile", "-q", "--generate-hashes", "--strip-extras",
         "--no-header", "--no-annotate", "--allow-unsafe", *quiet,
         "--output-file", str(locked), str(wanted)],
        places.log("lock-pip"),
        # Packages of this machine have other digests than the index's: leave them out.
        env={**os.environ, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""},
    )  # fmt: skip
    return locked


def _refuse_addresses(lock: Path) -> None:
    if found := _ADDRESS.search(lock.read_text("utf-8")):
        raise SetupError(f"{lock.name} would name where packages come from: {found.group()}")
