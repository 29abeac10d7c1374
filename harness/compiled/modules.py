"""Which modules are compiled, and whether a build of them is here."""

import ast
from pathlib import Path
from typing import Final

from harness.provision.places import places
from harness.provision.simulator_parts import compiler_version, current_build

__all__ = ["GROUP", "PACKAGES", "compiled_sources", "find_build", "say_simulator"]

GROUP: Final = "mountproof"
"""Name of the shared library that has the code of all modules."""
PACKAGES: Final = ("engine.core", "harness.sim", "harness.checkers")

_INTERPRETED: Final = frozenset({
    "__init__.py",  # packages: they are what the compiled modules are put into
    "account_key.py", "real_account.py",  # no disaster runs these
    "catalogue.py",  # it reads an attribute of classes that only their instances have, compiled
})  # fmt: skip


def compiled_sources(checkout: Path) -> dict[str, Path]:
    """The modules that are compiled, and their sources."""
    return {
        f"{package}.{source.stem}": source
        for package in PACKAGES
        for source in sorted(checkout.joinpath(*package.split(".")).glob("*.py"))
        if source.name not in _INTERPRETED and not _defines_structs(source)
    }


def _defines_structs(source: Path) -> bool:
    """Whether it has a class with keywords, or msgspec's: compiled, these would be others.

    mypyc drops the keywords of a class statement, and compares instances of a class whose equality
    is made at run time by identity. Structs are machine code anyway.
    """
    classes = (node for node in ast.walk(ast.parse(source.read_bytes()))
               if isinstance(node, ast.ClassDef))  # fmt: skip
    return any(
        node.keywords or any(ast.unparse(base).endswith("Struct") for base in node.bases)
        for node in classes
    )


def find_build() -> Path | None:
    """The build that fits the sources of this checkout as they are now, if there is one."""
    return current_build(places())


def say_simulator(build: Path | None) -> str:
    """How the simulator is run, for the record of a run."""
    return f"compiled (mypyc {compiler_version(places())})" if build else "interpreted"
