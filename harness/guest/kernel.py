"""Debian's cloud kernel, unpacked from its package into a cache and never installed on the host.

Standard library only: this runs before there is a virtual environment.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import Inconclusive

META_PACKAGE: Final = "linux-image-cloud-amd64"
WANTED_MODULES: Final = ("virtio_pci", "virtio_blk", "virtio_console")
APT_SECONDS: Final = 300.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: its image, and its modules in the order in which they must be loaded."""

    image: Path
    modules: tuple[Path, ...]
    version: str


def run_tool(arguments: list[str], *, seconds: float, folder: Path | None = None) -> str:
    """Return what a program printed; `Inconclusive` names the program that is missing or failed."""
    try:
        done = subprocess.run(
            arguments, cwd=folder, timeout=seconds, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise Inconclusive(
            f"the guest cannot be built: {arguments[0]} is not installed. Run `make setup`."
        ) from None
    except subprocess.TimeoutExpired:
        raise Inconclusive(
            f"the guest cannot be built: {arguments[0]} gave no result in {seconds:.0f} s."
        ) from None
    if done.returncode != 0:
        raise Inconclusive(
            f"the guest cannot be built: `{' '.join(arguments[:4])}` ended with status "
            f"{done.returncode}: {done.stderr.strip()[-600:]}"
        )
    return done.stdout


def cached_kernel(cache: Path) -> Kernel | None:
    """Return the kernel that an earlier call unpacked below `cache`, or None."""
    for folder in sorted(cache.glob("kernel-*"), reverse=True):
        order = folder / "order"
        if order.is_file():
            names = order.read_text(encoding="ascii").split()
            modules = tuple(folder / "modules" / name for name in names)
            return Kernel(folder / "vmlinuz", modules, folder.name.removeprefix("kernel-"))
    return None


def obtain_kernel(cache: Path, say: Say) -> Kernel:
    """Return the cached kernel; where there is none, download and unpack Debian's newest."""
    if (found := cached_kernel(cache)) is not None:
        return found
    package = _concrete_package()
    say(f"guest kernel: downloading {package}")
    with tempfile.TemporaryDirectory(dir=cache, prefix="unpack-") as scratch:
        root = _download_and_unpack(package, Path(scratch))
        version = package.removeprefix("linux-image-")
        _keep(root, version, Path(scratch) / "kept")
        (Path(scratch) / "kept").rename(cache / f"kernel-{version}")
    kernel = cached_kernel(cache)
    assert kernel is not None, "the kernel was just put there"
    return kernel


def _concrete_package() -> str:
    shown = run_tool(["apt-cache", "show", "--no-all-versions", META_PACKAGE], seconds=60.0)
    match = re.search(r"^Depends:.*?\b(linux-image-[\w.+~-]+-cloud-amd64)\b", shown, re.MULTILINE)
    if match is None:
        raise Inconclusive(
            f"the guest cannot be built: apt knows no {META_PACKAGE}. Run `apt-get update`, or "
            "`make setup`, on Debian 12 for amd64."
        )
    return match.group(1)


def _download_and_unpack(package: str, scratch: Path) -> Path:
    # The sandbox user of apt cannot enter a private scratch folder and would only warn about it.
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package]
    run_tool(command, seconds=APT_SECONDS, folder=scratch)
    archives = list(scratch.glob("*.deb"))
    if len(archives) != 1:
        raise Inconclusive(f"the guest cannot be built: apt-get downloaded no {package}.")
    root = scratch / "root"
    run_tool(["dpkg-deb", "-x", str(archives[0]), str(root)], seconds=APT_SECONDS)
    return root


def _keep(root: Path, version: str, kept: Path) -> None:
    modules = {path.stem: path for path in root.glob("lib/modules/*/kernel/**/*.ko")}
    order = _load_order(modules)
    (kept / "modules").mkdir(parents=True)
    shutil.copyfile(root / "boot" / f"vmlinuz-{version}", kept / "vmlinuz")
    for path in order:
        shutil.copyfile(path, kept / "modules" / path.name)
    names = "".join(f"{path.name}\n" for path in order)
    (kept / "order").write_text(names, encoding="ascii")


def _load_order(modules: dict[str, Path]) -> list[Path]:
    """Put every module behind those it names in its own `depends=` (modules.dep is not shipped)."""
    order: list[Path] = []

    def add(name: str) -> None:
        path = modules.get(name)
        if path is None:
            raise Inconclusive(f"the guest cannot be built: the kernel has no module {name}.")
        if path in order:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for needed in depends.group(1).decode("ascii").split(",") if depends else []:
            if needed:
                add(needed)
        order.append(path)

    for name in WANTED_MODULES:
        add(name)
    return order
