"""Where each part of the lab is on this machine, and in which version.

Set-up (`harness.provision`) puts the parts there; whoever uses one asks here. A part that is
missing is no error here: `azurite_service` and whoever starts a program raise `Inconclusive`.
"""

import functools
import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from harness.errors import Inconclusive
from harness.guest.build import find_guest_images
from harness.provision.node_parts import folder as node_folder
from harness.provision.node_parts import node_program
from harness.provision.places import places
from harness.provision.simulator_parts import compiler_version, current_build

__all__ = [
    "AzuriteService",
    "AzuriteVersion",
    "LabPart",
    "azurite_service",
    "find_parts",
    "guest_cache",
    "versions",
]

AzuriteVersion = Literal["3.37", "3.35"]

_PROGRAM_SECONDS: Final = 20.0
_FOLDERS: Final[dict[str, str]] = {"3.37": "azurite", "3.35": "azurite-3.35"}
_SETUP: Final = "make setup"


@dataclass(frozen=True, slots=True)
class LabPart:
    """One part: what it is for, whether it is here, and how to get it.

    `version` is empty where the part is missing, `place` the file or program that was found;
    `optional`: everything works without it.
    """

    name: str
    purpose: str
    present: bool
    version: str
    place: str
    how_to_get: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class AzuriteService:
    """One installed Azurite: the node that runs it and the folder of its entry points."""

    node: Path
    package: Path
    version: str

    def entry(self, *, every_service: bool) -> Path:
        """Return the script that serves blobs only, or queues and tables too."""
        source = self.package / "dist" / "src"
        return source / "azurite.js" if every_service else source / "blob" / "main.js"


def guest_cache() -> Path:
    """Return the folder in which set-up keeps the guest's kernel and initramfs."""
    return places().guest


def azurite_service(version: AzuriteVersion = "3.37") -> AzuriteService:
    """Return the installed Azurite of this version; `Inconclusive` if it is not there."""
    modules = node_folder(places()) / "node_modules"
    node = node_program(places())
    package = modules / _FOLDERS[version]
    if not node.is_file() or not (package / "dist" / "src" / "blob" / "main.js").is_file():
        raise Inconclusive(f"azurite {version} is not installed here; run `{_SETUP}`")
    return AzuriteService(node, package, _package_version(package))


def versions() -> dict[str, str]:
    """Name and version of every part that is here, for a record of the environment."""
    return {part.name: part.version for part in find_parts() if part.present}


def find_parts() -> list[LabPart]:
    """Look for every part; a program counts as here when it runs and tells its version."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return [looked.result() for looked in [pool.submit(look) for look in _LOOKS]]


def _look_for_azurite(version: AzuriteVersion, purpose: str) -> LabPart:
    name = f"azurite {version}"
    try:
        found = azurite_service(version)
    except Inconclusive:
        return LabPart(name, purpose, False, "", "", _SETUP)
    return LabPart(name, purpose, True, found.version, str(found.package), _SETUP)


def _look_for_node() -> LabPart:
    node = str(node_program(places()))
    return _look_for_program("node 22", "runs the blob services", node, "--version", _SETUP)


def _look_for_guest() -> LabPart:
    purpose = "kernel and initramfs of the lab's virtual machines"
    images = find_guest_images(guest_cache())
    if images is None:
        return LabPart("guest", purpose, False, "", "", _SETUP)
    return LabPart("guest", purpose, True, images.kernel_version, str(images.kernel), _SETUP)


def _look_for_simulator() -> LabPart:
    """A build of other sources than those that are here is as good as none."""
    build = current_build(places())
    return LabPart(
        "compiled simulator",
        "swarms at up to twice the speed",
        build is not None,
        f"mypyc {compiler_version(places())}" if build else "",
        str(build or ""),
        _SETUP,
        optional=True,
    )


def _look_for_program(name: str, purpose: str, program: str, option: str, how: str) -> LabPart:
    place = shutil.which(program)
    missing = LabPart(name, purpose, False, "", "", how)
    if place is None:
        return missing
    try:
        answer = subprocess.run(
            [place, option], capture_output=True, text=True, timeout=_PROGRAM_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return missing
    number = re.search(r"\d+\.\d+[\w.~+-]*", answer.stdout + answer.stderr)
    if answer.returncode != 0 or number is None:
        return missing
    return LabPart(name, purpose, True, number.group(), place, how)


def _look_for_block_driver() -> LabPart:
    purpose = "QEMU's HTTP driver: takes the disk straight from the blob"
    how = f"{_SETUP} (Debian package qemu-block-extra)"
    for folder in ("/usr/lib", "/usr/lib64"):
        for place in sorted(Path(folder).glob("**/qemu/block-curl.so")):
            version = f"for {platform.machine()}"
            return LabPart("qemu http driver", purpose, True, version, str(place), how)
    return LabPart("qemu http driver", purpose, False, "", "", how)


def _look_for_module(name: str, distribution: str, purpose: str) -> LabPart:
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return LabPart(name, purpose, False, "", "", _SETUP)
    return LabPart(name, purpose, True, version, distribution, _SETUP)


def _package_version(package: Path) -> str:
    described: object = json.loads((package / "package.json").read_text("utf-8"))
    return str(described.get("version", "")) if isinstance(described, dict) else ""


_Look = Callable[[], LabPart]


def _program(name: str, purpose: str, package: str, option: str = "--version") -> _Look:
    how = f"{_SETUP} (Debian package {package})"
    return functools.partial(_look_for_program, name, purpose, name, option, how)


_LOOKS: Final[tuple[_Look, ...]] = (
    functools.partial(_look_for_azurite, "3.37", "blob service of every claim"),
    functools.partial(_look_for_azurite, "3.35", "blob service for benchmarks of raw speed"),
    _look_for_node,
    _look_for_guest,
    _look_for_simulator,
    _program("qemu-system-x86_64", "runs the virtual machines", "qemu-system-x86"),
    _look_for_block_driver,
    _program("qemu-img", "reads, compares and converts disks", "qemu-utils"),
    _program("qemu-io", "reads and writes single sectors", "qemu-utils"),
    _program("qemu-nbd", "the tap's rival in benchmarks", "qemu-utils"),
    _program("nbdinfo", "NBD client that tests the tap", "libnbd-bin"),
    _program("nbdcopy", "NBD client that tests the tap", "libnbd-bin"),
    _program("fio", "loads the tap in tests and benchmarks", "fio"),
    _program("nbdkit", "NBD server that others wrote, for tests", "nbdkit"),
    _program("mke2fs", "file systems of test disks", "e2fsprogs", "-V"),
    functools.partial(_look_for_module, "libvhdi", "libvhdi-python", "independent VHD reader"),
    functools.partial(
        _look_for_module, "dissect", "dissect.hypervisor", "independent VHD reader in Python"
    ),
    functools.partial(
        _look_for_module, "azure sdk", "azure-storage-blob", "client of the blob service"
    ),
)
