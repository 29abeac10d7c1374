"""The guest's kernel and initramfs, built by a process of its own from Debian's packages."""

import sys

from harness.provision import debian
from harness.provision.places import Places
from harness.provision.progress import run_logged
from harness.provision.stamps import digest_of, is_stamped, stamp

__all__ = ["ensure"]


def ensure(places: Places) -> None:
    """Build kernel and initramfs into the cache, unless made from exactly these sources."""
    sources = sorted(
        path
        for path in (places.checkout / "harness" / "guest").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )
    digest = digest_of(sources)
    if is_stamped(places.guest, digest):
        return
    debian.ensure_lists(places)
    run_logged(
        "Building the guest: kernel and initramfs",
        [sys.executable, "-m", "harness.guest.build", "--cache", str(places.guest)],
        places.log("guest"),
        cwd=places.checkout,
    )
    stamp(places.guest, digest)
