"""Guests of the benches: the lab's images and accelerator, a console log each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.bench.scene import Scene
from harness.errors import Inconclusive
from harness.guest.accelerator import probe_accelerator
from harness.guest.build import GuestImages, find_guest_images
from harness.guest.disks import Disk
from harness.guest.qemu_command import GuestPlan
from harness.guest.vm import GuestVm, guest_log
from harness.parts import guest_cache

__all__ = ["GuestLab", "guest_lab"]


@dataclass(frozen=True, slots=True)
class GuestLab:
    """Makes guests, not yet started."""

    scene: Scene
    images: GuestImages
    accelerator: str

    def guest(self, role: str, options: Mapping[str, int], disks: Sequence[Disk]) -> GuestVm:
        """A guest of this role; start it by entering its context."""
        log = guest_log(self.scene.folder("guest"), role)
        plan = GuestPlan(self.images, role, dict(options), disks, log, accelerator=self.accelerator)
        return GuestVm(plan)


def guest_lab(scene: Scene) -> GuestLab:
    """Find images and accelerator; `Inconclusive` if the images are not built."""
    images = find_guest_images(guest_cache())
    if images is None:
        raise Inconclusive("the guest's kernel and initramfs are not built here; run `make setup`")
    return GuestLab(scene, images, probe_accelerator(images))
