"""Azurite and its node from npm: pinned, inside the cache, never global.

The folder `node` of this package holds package.json and a lock file without registry addresses.
Install scripts do not run: nothing is fetched but what the lock file names with its digest.
"""

import os
import shutil
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import run_logged
from harness.provision.stamps import digest_of, is_stamped, stamp

__all__ = ["ensure", "folder"]

_LOCKED = Path(__file__).parent / "node"
_FILES = ("package.json", "package-lock.json")


def folder(places: Places) -> Path:
    """Return the folder with `node_modules`, keyed by the lock file's digest."""
    return places.node_parts / _digest()[:16]


def ensure(places: Places) -> None:
    """Install what the lock file names, unless that was done already."""
    home, digest = folder(places), _digest()
    if is_stamped(home, digest):
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for name in _FILES:
        shutil.copy(_LOCKED / name, home / name)
    run_logged(
        "Installing azurite 3.37, azurite 3.35 and node 22 from npm",
        ["npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund",
         "--prefer-offline", "--no-update-notifier"],
        places.log("npm"),
        cwd=home,
        env={**os.environ, "npm_config_loglevel": "error"},
    )  # fmt: skip
    stamp(home, digest)


def _digest() -> str:
    return digest_of([_LOCKED / name for name in _FILES])
