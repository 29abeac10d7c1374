"""Compiles the simulator into the cache: `python -m harness.compiled --cache DIR`.

The build appears whole or not at all, and takes the place of older ones. mypyc writes C; the
system's C compiler takes the packages two at a time. Exit codes: 0 built, 1 it cannot be compiled.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from mypyc.build import generate_c_extension_shim, include_dir, mypyc_build
from mypyc.common import RUNTIME_C_FILES, shared_lib_name
from mypyc.namegen import exported_name
from mypyc.options import CompilerOptions

from harness.compiled.modules import GROUP, PACKAGES, compiled_sources
from harness.compiled.native import read_shapes, rewrite
from harness.provision.places import Places, places
from harness.provision.simulator_parts import digest, folder
from harness.provision.stamps import stamp

__all__ = ["build"]

COMPILER: Final = ("gcc", "-O2", "-g0", "-w", "-fPIC", "-fwrapv", "-fvisibility=hidden", "-DNDEBUG")
"""-O1 takes two thirds of the time to compile, and the simulator is 5 % slower."""
AT_ONCE: Final = 2


def build(where: Places) -> Path:
    """Compile, and return the folder of the build."""
    target, whole = folder(where), digest(where)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_all_but((target.parent / "lock",))
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix="building-"))
        made = scratch / "build"
        made.mkdir()
        _compile(where.checkout, scratch, made)
        if digest(where) != whole:
            sys.exit("the sources changed meanwhile: compile again")
        stamp(made, whole)
        made.rename(target)
        _remove_all_but((target.parent / "lock", target))
    return target


def _remove_all_but(kept: Sequence[Path]) -> None:
    for old in kept[0].parent.iterdir():
        if old not in kept:
            shutil.rmtree(old)


def _compile(checkout: Path, scratch: Path, made: Path) -> None:
    sources = compiled_sources(checkout)
    print(f"mypyc: {len(sources)} modules", flush=True)
    generated = _generate(_rewritten(checkout, sources, scratch / "source"), scratch)
    headers = (sysconfig.get_paths()["include"], include_dir(), str(scratch))
    compiler = [*COMPILER, *(f"-I{folder}" for folder in headers)]
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        objects = list(pool.map(lambda unit: _object(compiler, unit, scratch), generated))
    library = made / f"{shared_lib_name(GROUP)}{suffix}"
    _run([COMPILER[0], "-shared", *map(str, objects), "-o", str(library)])
    for package in PACKAGES:
        names = [name for name in sources if name.rpartition(".")[0] == package]
        _link_modules(compiler, names, scratch, made / package.replace(".", "/"), suffix)


def _rewritten(checkout: Path, sources: Mapping[str, Path], home: Path) -> list[str]:
    """Write what the compiler is to read, from here on the current folder; returns the modules."""
    for package in ("engine", "harness"):
        for source in sorted((checkout / package).rglob("*.py")):
            copy = home / source.relative_to(checkout)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    shapes = read_shapes(sources)
    paths = [str(source.relative_to(checkout)) for source in sources.values()]
    for module, path in zip(sources, paths, strict=True):
        copy = home / path
        copy.write_text(rewrite(module, copy.read_text("utf-8"), shapes), "utf-8")
    os.chdir(home)  # mypyc names modules by where they are from here
    return paths


def _generate(paths: Sequence[str], scratch: Path) -> list[Path]:
    """Have mypyc write C; returns one file a package, and one for all the rest."""
    options = CompilerOptions(
        multi_file=True, target_dir=str(scratch), include_runtime_files=False, group_name=GROUP
    )
    flags = ["--config-file=", "--ignore-missing-imports", f"--cache-dir={scratch / 'mypy'}"]
    _, files, _ = mypyc_build([*flags, *paths], options)
    runtime = [Path(include_dir()) / name for name in RUNTIME_C_FILES if name.endswith(".c")]
    rest = [*map(Path, files[0][0]), *runtime]
    units = []
    for package in sorted(PACKAGES, reverse=True):
        mark = f"__native_{exported_name(package)}___"
        own = [path for path in rest if path.name.startswith(mark)]
        rest = [path for path in rest if path not in own]
        if own:
            units.append(_unit(scratch / f"{package}.c", own))
    return [*units, _unit(scratch / "rest.c", rest)]


def _unit(unit: Path, files: Sequence[Path]) -> Path:
    """One source of several: headers are read once, and calls between modules are calls."""
    unit.write_text("".join(f'#include "{path}"\n' for path in files), "utf-8")
    return unit


def _object(compiler: Sequence[str], unit: Path, scratch: Path) -> Path:
    print(f"{compiler[0]}: {unit.stem}", flush=True)
    made = scratch / f"{unit.name}.o"
    _run([*compiler, "-c", str(unit), "-o", str(made)])
    return made


def _link_modules(
    compiler: Sequence[str], names: Sequence[str], scratch: Path, home: Path, suffix: str
) -> None:
    """One small library with the entry points of a package's modules, under the name of each."""
    text = ""
    for name in names:
        stem = name.rpartition(".")[2]
        shim = generate_c_extension_shim(name, stem, str(scratch / "shims"), GROUP)
        # A shim has a second entry point, always of one name, for packages.
        text += f"#define PyInit___init__ {stem}_unused\n"
        text += f'#include "{shim}"\n#undef PyInit___init__\n'
    source = scratch / f"{home.name}-modules.c"
    source.write_text(text, "utf-8")
    home.mkdir(parents=True, exist_ok=True)
    first, *others = [home / f"{name.rpartition('.')[2]}{suffix}" for name in names]
    _run([*compiler, "-shared", str(source), "-o", str(first)])
    for other in others:
        other.hardlink_to(first)


def _run(argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"cannot run {argv[0]}: {error.strerror}")
    if done.returncode != 0:
        sys.exit(f"{argv[0]} ended with exit code {done.returncode}:\n{done.stderr[-2000:]}")


def main() -> None:
    """Build for the sources beside this file."""
    parser = argparse.ArgumentParser(prog="python -m harness.compiled", description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder of the cache", default=None)
    cache: Path | None = parser.parse_args().cache
    here = places()
    print(build(Places(here.checkout, cache.resolve() if cache else here.cache)))


if __name__ == "__main__":
    main()
