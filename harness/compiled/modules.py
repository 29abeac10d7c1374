"""Which modules are compiled, and whether a build of them is here."""

from pathlib import Path
from typing import Final

from harness.provision.places import places
from harness.provision.simulator_parts import compiler_version, current_build

__all__ = ["GROUP", "PACKAGES", "compiled_sources", "find_build", "say_simulator"]

GROUP: Final = "mountproof"
"""Name of the shared library that has the code of all modules."""
PACKAGES: Final = (
    "harness.compiled", "engine", "engine.core.messages", "engine.core",
    "harness.sim", "harness.checkers",
)  # fmt: skip
"""A module's package comes before those that use it."""

_ONLY: Final = {"engine": ("units.py", "vhd.py"), "harness.compiled": ("plain.py",)}
"""Of some packages not everything."""

_INTERPRETED: Final = frozenset({
    "__init__.py",  # packages: they are what the compiled modules are put into
    # No disaster runs these:
    "account_key.py", "deviations.py", "real_account.py", "request_wire.py",
    "catalogue.py",  # it reads an attribute of classes that only their instances have, compiled
})  # fmt: skip


def compiled_sources(checkout: Path) -> dict[str, Path]:
    """The modules that are compiled, and their sources."""
    return {
        f"{package}.{source.stem}": source
        for package in PACKAGES
        for source in sorted(checkout.joinpath(*package.split(".")).glob("*.py"))
        if source.name not in _INTERPRETED
        and (package not in _ONLY or source.name in _ONLY[package])
    }


def find_build() -> Path | None:
    """The build that fits the sources of this checkout as they are now, if there is one."""
    return current_build(places())


def say_simulator(build: Path | None) -> str:
    """How the simulator is run, for the record of a run."""
    return f"compiled (mypyc {compiler_version(places())})" if build else "interpreted"
