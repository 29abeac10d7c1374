"""The Debian packages: which are needed, which are missing, and how to get them.

A part counts as present when what is used of it is there, wherever it came from; so a machine
with another source of node, say, needs no package for it.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import SetupError, run_logged

__all__ = [
    "FIRST",
    "FRESH_ROOT",
    "HEADERS",
    "LAB",
    "Part",
    "ensure",
    "ensure_lists",
    "missing_packages",
]

_MACHINE = "x86_64"
_LISTS = Path("/var/lib/apt/lists")
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Part:
    """One thing used, the Debian package that has it, and the check that it is there."""

    package: str
    is_present: Callable[[], bool]


def _program(package: str, *names: str) -> Part:
    path = os.environ.get("PATH", "") + os.pathsep + _SBIN
    return Part(package, lambda: all(shutil.which(name, path=path) for name in names))


def _file(package: str, *patterns: str) -> Part:
    return Part(package, lambda: all(any(Path("/").glob(pattern)) for pattern in patterns))


def _module(package: str, name: str) -> Part:
    return Part(package, lambda: importlib.util.find_spec(name) is not None)


FIRST: tuple[Part, ...] = (
    _module("python3-venv", "ensurepip"),
    _file("ca-certificates", "etc/ssl/certs/ca-certificates.crt"),
)
"""What the other parts are fetched with."""

LAB: tuple[Part, ...] = (
    _program("gcc", "gcc"),
    _file("libc6-dev", "usr/lib/*/libc.a"),
    _file("linux-libc-dev", "usr/include/linux/module.h"),
    _program("qemu-system-x86", "qemu-system-x86_64"),
    _file("seabios", "usr/share/seabios/bios-256k.bin"),
    _program("qemu-utils", "qemu-img", "qemu-io", "qemu-nbd"),
    _file("qemu-block-extra", "usr/lib/*/qemu/block-curl.so"),
    _program("e2fsprogs", "mke2fs", "e2fsck"),
    _program("kmod", "depmod", "modinfo"),
    _program("cpio", "cpio"),
    _program("xz-utils", "xz"),
    _program("zstd", "zstd"),
    _program("fio", "fio"),
    _program("libnbd-bin", "nbdinfo", "nbdcopy"),
    _program("nbdkit", "nbdkit"),
    _program("git", "git"),
)
HEADERS: tuple[Part, ...] = (
    Part("python3-dev", lambda: Path(sysconfig.get_path("include"), "Python.h").is_file()),
)
"""What compiling the simulator needs besides; everything works without."""

FRESH_ROOT: tuple[Part, ...] = (_program("mmdebstrap", "mmdebstrap"),)


def missing_packages(parts: tuple[Part, ...]) -> list[str]:
    """Names of the Debian packages whose parts are not on this machine."""
    return [part.package for part in parts if not part.is_present()]


def ensure(parts: tuple[Part, ...], places: Places) -> None:
    """Install what is missing; SetupError says what to install where that is not possible."""
    if platform.machine() != _MACHINE:
        raise SetupError(
            f"this machine's processor is {platform.machine()}, and the pinned parts (node, the"
            f" guest's kernel) are for {_MACHINE}: use such a machine"
        )
    missing = missing_packages(parts)
    if not missing:
        return
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise SetupError(
            f"this machine lacks parts that Debian 12 has in: {names}. Set-up installs them by"
            " itself on Debian only: install the like of them here and try again"
        )
    prefix = _root_prefix(names)
    if not _lists_are_there(missing):
        run_logged("Refreshing Debian's package lists", [*prefix, "apt-get", "update", "-q"],
                   places.log("apt-update"))  # fmt: skip
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    run_logged(
        f"Installing {len(missing)} Debian packages: {names}",
        [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *install],
        places.log("apt-install"),
    )
    if still := missing_packages(parts):
        raise SetupError(f"installed, but their parts are not found: {' '.join(still)}")


def ensure_lists(places: Places) -> None:
    """Have Debian's package lists, so that a package can be downloaded without being installed."""
    if not _lists_are_there(["linux-image-cloud-amd64"]):
        prefix = _root_prefix("linux-image-cloud-amd64 (downloaded, not installed)")
        run_logged("Refreshing Debian's package lists", [*prefix, "apt-get", "update", "-q"],
                   places.log("apt-update"))  # fmt: skip


def _root_prefix(names: str) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        return ["sudo"]
    raise SetupError(
        f"missing Debian packages: {names}. Run this once as root, or have root run:"
        f" apt-get install --no-install-recommends {names}"
    )


def _lists_are_there(packages: list[str]) -> bool:
    """Whether apt knows all of these: one question, for each one costs half a second."""
    apt_cache = shutil.which("apt-cache")
    if apt_cache is None or not any(_LISTS.glob("*Packages*")):
        return False
    asked = subprocess.run(
        [apt_cache, "show", "--no-all-versions", *packages], capture_output=True, check=False
    )
    known = re.findall(rb"^Package: (\S+)", asked.stdout, re.MULTILINE)
    return set(packages) <= {name.decode("ascii") for name in known}
