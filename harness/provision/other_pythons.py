"""Other Pythons of this machine, each with what the simulator needs, for comparing what it does.

The simulation has to do the same under every Python, so tests run it under each that is at hand:
those on PATH and those of pyenv, one of each minor version from 3.11 on. Each gets a small
environment in the cache with the one package that the simulator needs, as the lock file pins it.
Where there is no other Python, as on a plain Debian, nothing is done.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import SetupError, run_logged, say
from harness.provision.stamps import digest_of, is_stamped, stamp

__all__ = ["OtherPython", "at_hand", "ensure", "locked_part", "ready"]

NEEDED = "msgspec"
_OLDEST = 11
_NEWEST = 30
_ASK = """
import ensurepip, json, sys, venv
print(json.dumps([sys.implementation.name, *sys.version_info[:2], sys.version]))
"""
_ASK_S = 20.0


@dataclass(frozen=True)
class OtherPython:
    """A Python that is not the one that runs this: `minor` of 3.`minor`, and the whole version."""

    minor: int
    executable: Path
    version: str

    def environment(self, places: Places) -> Path:
        """Folder of its environment in the cache."""
        return places.cache / "pythons" / f"3.{self.minor}"


def at_hand() -> list[OtherPython]:
    """One CPython of every other minor version that is here and can make environments."""
    found: dict[int, OtherPython] = {}
    for minor in range(_OLDEST, _NEWEST):
        if minor == sys.version_info.minor:
            continue
        for executable in _candidates(f"python3.{minor}"):
            version = _version(executable, minor)
            if version:
                found[minor] = OtherPython(minor, executable, version)
                break
    return [found[minor] for minor in sorted(found)]


def ensure(places: Places) -> None:
    """Make their environments unless they are there; a failure is told and set-up goes on."""
    for python in at_hand():
        try:
            _ensure(python, places)
        except SetupError as error:
            say(f"{error}\n    Only the comparison with Python 3.{python.minor} needs it.")


def ready(python: OtherPython, places: Places) -> Path | None:
    """The interpreter of its environment; None if `make setup` could not make it."""
    home = python.environment(places)
    return home / "bin" / "python" if is_stamped(home, _digest(python, places)) else None


def locked_part(lock: str) -> str:
    """The lines of a lock file that pin the needed package."""
    entry = re.search(rf"^{NEEDED}==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", lock, re.MULTILINE)
    if entry is None:
        raise SetupError(f"requirements.txt does not pin {NEEDED}")
    return entry.group()


def _ensure(python: OtherPython, places: Places) -> None:
    if ready(python, places):
        return
    home, name = python.environment(places), f"3.{python.minor}"
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    pins = home.with_suffix(".txt")
    pins.write_text(_pins(places), "utf-8")
    run_logged(
        f"Making an environment of Python {name}",
        [str(python.executable), "-m", "venv", str(home)],
        places.log(f"python-{name}-venv"),
    )
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    run_logged(
        f"Installing {NEEDED} for Python {name}",
        [*pip, "install", "-q", "--require-hashes", "--no-deps", "-r", str(pins)],
        places.log(f"python-{name}-pip"),
    )
    stamp(home, _digest(python, places))


def _digest(python: OtherPython, places: Places) -> str:
    return digest_of([], _pins(places), python.version, str(python.environment(places)))


def _pins(places: Places) -> str:
    return locked_part((places.checkout / "requirements.txt").read_text("utf-8"))


def _candidates(name: str) -> Iterator[Path]:
    """Where a Python of that name may be: every folder of PATH, then pyenv's versions."""
    for folder in os.get_exec_path():
        yield Path(folder) / name
    root = _pyenv_root()
    if root is not None:
        yield from sorted(root.glob(f"versions/*/bin/{name}"), reverse=True)


@cache
def _pyenv_root() -> Path | None:
    try:
        told = subprocess.run(
            ["pyenv", "root"], capture_output=True, check=True, text=True, timeout=_ASK_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(told.stdout.strip())


def _version(executable: Path, minor: int) -> str:
    """What it says of itself; empty if it is no CPython of this version, or a shim of none."""
    if not os.access(executable, os.X_OK):
        return ""
    try:
        told = subprocess.run(
            [str(executable), "-I", "-c", _ASK],
            capture_output=True, check=True, text=True, timeout=_ASK_S,
        )  # fmt: skip
        name, *numbers, version = json.loads(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return str(version) if (name, *numbers) == ("cpython", 3, minor) else ""
