"""Runs a module on a build of the simulator: `python -m harness.compiled.launch BUILD MODULE`.

The packages look into the build first, and find the source of what is not in it. A build that does
not fit the sources any more, as after a change since the command began, is not used.
"""

import importlib
import runpy
import sys
from pathlib import Path

from harness.compiled.modules import PACKAGES, find_build

__all__ = ["launch_command", "use_build"]


def launch_command(module: str, build: Path | None) -> list[str]:
    """Arguments of the interpreter that run this module, on the build if there is one."""
    if build is None:
        return ["-m", module]
    return ["-m", "harness.compiled.launch", str(build), module]


def use_build(build: Path) -> None:
    """Have this process import the compiled modules; none of them may have been imported yet."""
    sys.path.append(str(build))  # the shared library is a top-level module
    for name in PACKAGES:
        importlib.import_module(name).__path__.insert(0, str(build.joinpath(*name.split("."))))


if __name__ == "__main__":
    if Path(sys.argv[1]) == find_build():
        use_build(Path(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
