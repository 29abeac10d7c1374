"""The compiled simulator: built into the cache, if it can be; without it a swarm is slower.

It does the same as the interpreted one, trace for trace, so nothing depends on it but time. A build
belongs to exactly these sources, this Python and this compiler: any other is not used.
"""

import re
import sys
import sysconfig
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import SetupError, run_logged, say
from harness.provision.stamps import digest_of, is_stamped

__all__ = ["compiler_version", "current_build", "digest", "ensure", "folder", "sources"]

_READ = ("engine", "harness/checkers", "harness/compiled", "harness/disk", "harness/sim")
"""Folders of the compiled modules and of everything that these import."""
_READ_TOO = ("harness/__init__.py", "harness/errors.py", "harness/schedule.py")
_LOCKED = re.compile(r"^mypy==(\S+)", re.MULTILINE)


def folder(places: Places) -> Path:
    """Return the folder of the build, keyed by the digest of all that it is made from."""
    return places.cache / "compiled" / digest(places)[:16]


def current_build(places: Places) -> Path | None:
    """Return the build that fits the sources as they are now, if it is there."""
    try:
        whole = digest(places)
    except FileNotFoundError:  # installed without a checkout around it
        return None
    home = places.cache / "compiled" / whole[:16]
    return home if is_stamped(home, whole) else None


def ensure(places: Places) -> None:
    """Compile it unless that was done already; a failure is told and set-up goes on."""
    if current_build(places):
        return
    python = places.environment / "bin" / "python"
    try:
        run_logged(
            "Compiling the simulator (a swarm is faster with it)",
            [str(python), "-m", "harness.compiled", "--cache", str(places.cache)],
            places.log("compiled"),
            cwd=places.checkout,
        )
    except SetupError as error:
        say(f"{error}\n    The simulator stays interpreted: all of it works, at a lower speed.")


def digest(places: Places) -> str:
    """Return the digest of the sources, the interpreter and the compiler's version."""
    files = sources(places.checkout)
    names = [str(path.relative_to(places.checkout)) for path in files]
    python = (sys.version, str(sysconfig.get_config_var("EXT_SUFFIX")))
    return digest_of(files, *names, *python, compiler_version(places))


def sources(checkout: Path) -> list[Path]:
    """Return the files whose contents a build depends on."""
    found = [path for name in _READ for path in (checkout / name).rglob("*.py")]
    return sorted([*found, *(checkout / name for name in _READ_TOO)])


def compiler_version(places: Places) -> str:
    """Return the version of mypy, and so of mypyc, that the lock file names."""
    locked = _LOCKED.search((places.checkout / "requirements.txt").read_text("utf-8"))
    return locked.group(1) if locked else "unknown"
