"""Builds the guest's kernel and initramfs into a cache.

`python3 -m harness.guest.build --cache DIR`

Standard library only, so that set-up can run it before there is a virtual environment. A second
call finds everything there and needs neither network, compiler nor root.
"""

import argparse
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MountproofError
from harness.guest.initramfs import initramfs_key, program_files, write_initramfs
from harness.guest.kernel import Say, cached_kernel, obtain_kernel


@dataclass(frozen=True, slots=True)
class GuestImages:
    """What QEMU boots: a kernel image, our initramfs, and the kernel's version for the record."""

    kernel: Path
    initramfs: Path
    kernel_version: str


def guest_images(cache: Path, say: Say = print) -> GuestImages:
    """Return the guest's images below `cache`, building what is missing.

    `say` gets one line for each slow step. Raises `Inconclusive` naming the tool or package that
    is missing.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _only_one_builder(cache):
        kernel = obtain_kernel(cache, say)
        programs = program_files()
        target = cache / f"initramfs-{initramfs_key(kernel, programs)}.cpio.gz"
        if not target.is_file():
            say(f"guest initramfs: compiling the agent into {target.name}")
            write_initramfs(target, kernel, programs)
    return GuestImages(kernel.image, target, kernel.version)


def find_guest_images(cache: Path) -> GuestImages | None:
    """Return the guest's images if they are all there and up to date; builds nothing."""
    kernel = cached_kernel(cache)
    if kernel is None:
        return None
    target = cache / f"initramfs-{initramfs_key(kernel, program_files())}.cpio.gz"
    return GuestImages(kernel.image, target, kernel.version) if target.is_file() else None


@contextmanager
def _only_one_builder(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Build, print the two paths, and return the exit code."""
    parser = argparse.ArgumentParser(description="Build the lab guest's kernel and initramfs.")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the result")
    options = parser.parse_args(arguments)
    try:
        images = guest_images(options.cache)
    except MountproofError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"guest kernel: {images.kernel}")
    print(f"guest initramfs: {images.initramfs} ({images.initramfs.stat().st_size >> 10} KiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
