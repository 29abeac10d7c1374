"""The virtual environment: pinned and hashed packages, and the checkout itself, editable."""

import shutil
import sys

from harness.provision.places import Places
from harness.provision.progress import run_logged
from harness.provision.stamps import digest_of, is_stamped, stamp

__all__ = ["ensure"]


def ensure(places: Places) -> None:
    """Make .venv from requirements.txt unless it was made from exactly that already."""
    checkout, environment = places.checkout, places.environment
    lock = checkout / "requirements.txt"
    packages = digest_of([lock], sys.version, str(environment))
    marks = environment / "share" / "mountproof"
    project = digest_of([checkout / "pyproject.toml"], packages)
    if is_stamped(marks, packages) and is_stamped(marks / "project", project):
        return
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    if not is_stamped(marks, packages):
        shutil.rmtree(environment, ignore_errors=True)
        run_logged("Making the virtual environment", [sys.executable, "-m", "venv",
                   str(environment)], places.log("venv"))  # fmt: skip
        run_logged(
            "Installing the pinned Python packages",
            [*pip, "install", "--require-hashes", "--no-deps", "-r", str(lock)],
            places.log("pip"),
        )
        marks.mkdir(parents=True, exist_ok=True)
        stamp(marks, packages)
    run_logged(
        "Installing mountproof from the checkout",
        [*pip, "install", "--no-deps", "--no-build-isolation", "--editable", str(checkout)],
        places.log("pip-project"),
    )
    (marks / "project").mkdir(exist_ok=True)
    stamp(marks / "project", project)
