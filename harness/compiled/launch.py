"""Runs a module on a build of the simulator: `python -m harness.compiled.launch BUILD MODULE`.

A module that is in the build is taken from there, any other from its source. A build that does not
fit the sources any more, as after a change since the command began, is not used.
"""

import runpy
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
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
    sys.meta_path.insert(0, _Finder(build))


class _Finder:
    """Finds the modules of a build."""

    def __init__(self, build: Path) -> None:
        self._build = build
        self._suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        """Where a module is, None: not in the build."""
        if name.rpartition(".")[0] not in PACKAGES:
            return None
        file = self._build.joinpath(*name.split(".")).with_suffix(self._suffix)
        return spec_from_file_location(name, file) if file.is_file() else None


if __name__ == "__main__":
    if Path(sys.argv[1]) == find_build():
        use_build(Path(sys.argv[1]))
    else:
        sys.stderr.write(
            "The sources changed since the simulator was compiled: it runs interpreted, at a"
            " quarter of the speed; `make setup` compiles it again.\n"
        )
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
