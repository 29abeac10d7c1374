"""Which accelerator a guest can use: KVM only if a guest really boots with it, else TCG.

/dev/kvm may be there, accept a machine and then hang or die in it (facts.md 0), so the only answer
is a boot. It is remembered in a file beside the images, for as long as the host stays up.
"""

import json
import tempfile
from pathlib import Path
from typing import Final

from harness.errors import Inconclusive
from harness.guest.build import GuestImages
from harness.guest.qemu_command import GuestPlan
from harness.guest.vm import GuestVm

PROBE_SECONDS: Final = 6.0
KVM: Final = Path("/dev/kvm")
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def probe_accelerator(images: GuestImages) -> str:
    """Return "kvm" or "tcg"; the first call of a host's uptime may take 6 s."""
    if not KVM.exists():
        return "tcg"
    answer = images.initramfs.with_name("accelerator.json")
    key = [BOOT_ID.read_text(encoding="ascii").strip(), images.initramfs.name]
    try:
        known = json.loads(answer.read_text(encoding="utf-8"))
        if known["key"] == key:
            return str(known["accelerator"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never probed, or not readable: probe (again)
    found = "kvm" if boots(images, "kvm") else "tcg"
    answer.write_text(json.dumps({"key": key, "accelerator": found}), encoding="utf-8")
    return found


def boots(images: GuestImages, accelerator: str, timeout_s: float = PROBE_SECONDS) -> bool:
    """Return whether a guest without a disk boots and ends by itself within `timeout_s`."""
    with tempfile.TemporaryDirectory(prefix="mountproof-probe-") as folder:
        log = Path(folder) / "probe.console.log"
        plan = GuestPlan(images, "none", {}, [], log, accelerator=accelerator)
        with GuestVm(plan) as guest:
            try:
                guest.wait_for("end", timeout_s)
                return guest.wait(timeout_s) == 0
            except (Inconclusive, TimeoutError):
                return False
