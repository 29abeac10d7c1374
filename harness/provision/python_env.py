"""The virtual environment: pinned and hashed packages, and the checkout itself, editable.

Made without byte code, which Python writes at the first import of what is really used, and by a
pinned pip: the one that comes with Debian 12 needs three times as long.
"""

import ensurepip
import re
import shutil
import sys
import zipfile
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import SetupError, run_logged
from harness.provision.stamps import digest_of, is_stamped, stamp

__all__ = ["ensure", "ensure_pip"]

_LOCKED_PIP = re.compile(r"^pip==\S+(?: \\\n +--hash=\S+)+", re.MULTILINE)


def ensure_pip(places: Places) -> None:
    """Make .venv, with the pinned pip alone, unless it was made for these packages already."""
    environment, marks = places.environment, _marks(places)
    if is_stamped(marks, _packages(places)) or is_stamped(marks / "pip", _packages(places)):
        return
    shutil.rmtree(environment, ignore_errors=True)
    run_logged("Making the virtual environment", [sys.executable, "-m", "venv", "--without-pip",
               str(environment)], places.log("venv"))  # fmt: skip
    _unpack_pip(environment)
    (marks / "pip").mkdir(parents=True)
    locked = _LOCKED_PIP.search(_lock(places).read_text("utf-8"))
    if locked is None:
        raise SetupError("requirements.txt names no pip: `make lock` renews it")
    alone = marks / "pip" / "requirements.txt"
    alone.write_text(locked.group() + "\n", "utf-8")
    run_logged("Installing the pinned pip", [*_pip_install(places), "-r", str(alone)],
               places.log("pip-itself"))  # fmt: skip
    stamp(marks / "pip", _packages(places))


def ensure(places: Places) -> None:
    """Have all packages in .venv, and the checkout, unless both are there already."""
    ensure_pip(places)
    marks, packages = _marks(places), _packages(places)
    project = digest_of([places.checkout / "pyproject.toml"], packages)
    if is_stamped(marks, packages) and is_stamped(marks / "project", project):
        return
    if not is_stamped(marks, packages):
        run_logged("Installing the pinned Python packages",
                   [*_pip_install(places), "-r", str(_lock(places))],
                   places.log("pip"))  # fmt: skip
        stamp(marks, packages)
    run_logged(
        "Installing mountproof from the checkout",
        [*_pip(places), "install", "--no-deps", "--no-compile", "--no-build-isolation",
         "--editable", str(places.checkout)],
        places.log("pip-project"),
    )  # fmt: skip
    (marks / "project").mkdir(exist_ok=True)
    stamp(marks / "project", project)


def _lock(places: Places) -> Path:
    return places.checkout / "requirements.txt"


def _marks(places: Places) -> Path:
    return places.environment / "share" / "mountproof"


def _packages(places: Places) -> str:
    return digest_of([_lock(places)], sys.version, str(places.environment))


def _pip(places: Places) -> list[str]:
    python = str(places.environment / "bin" / "python")
    return [python, "-m", "pip", "--disable-pip-version-check"]


def _pip_install(places: Places) -> list[str]:
    return [*_pip(places), "install", "--require-hashes", "--no-deps", "--no-compile"]


def _unpack_pip(environment: Path) -> None:
    """Python's own pip, which is there only to install the pinned one: a wheel is a zip file."""
    folders = [Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")]
    wheels = [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]
    if not wheels:
        raise SetupError(f"{sys.executable} has no pip to install: is python3-venv complete?")
    site = next(environment.glob("lib/python3*/site-packages"))
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(site)
