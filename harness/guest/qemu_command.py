"""QEMU's command line for one guest, and the configuration that must not stand on it.

A disk whose URL holds a credential is described in a configuration that QEMU reads from a pipe:
neither `ps` nor a file ever shows it, and the evidence shows it redacted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import UsageError
from harness.guest.build import GuestImages
from harness.guest.disks import Blockdev, Disk
from harness.redaction import redact

PORT_NAME: Final = "mountproof.0"
KERNEL_OPTIONS: Final = (
    "console=ttyS0 quiet loglevel=4 panic=-1 "
    # what a throw-away guest on an emulated processor need not do while it boots
    "cryptomgr.notests nokaslr mitigations=off tsc=reliable no_timer_check "
    "rdinit=/init"
)
ONE_AT_A_TIME: Final = ",queue-size=4,indirect_desc=off"
"""Four descriptors hold one request. QEMU's http driver loses a wake-up with several in flight
(7.2; mended in 10.2): of 20 runs of `qemu-img bench` 7 hung for ever at depth 8, 3 at depth 4, none
at 2 or 1. A guest then waits in vain for its disk. Reading a whole disk is slower this way."""

GEOMETRY: Final = ",cyls=16383,heads=16,secs=63"
"""What ATA tells of every disk over 8 GB. Left out, QEMU reads the first sector to guess it: one
request more before the machine starts, and nothing in our guests looks at it."""

CONFIG_VALUE_MAX: Final = 1023  # QEMU 7.2, util/qemu-config.c
OptionValue = str | int


@dataclass(frozen=True, slots=True)
class GuestPlan:
    """What one guest is made of; `options` reach the agent as mp.NAME=VALUE.

    With `monitored` QEMU listens to commands of ours, which can change its first disk's size.
    """

    images: GuestImages
    role: str
    options: Mapping[str, OptionValue]
    disks: Sequence[Disk]
    console_log: Path
    memory_mib: int = 160
    accelerator: str = "tcg"
    monitored: bool = False


def command_line(
    plan: GuestPlan, port_descriptor: int, config_descriptor: int, monitor_descriptor: int = -1
) -> list[str]:
    """Return the arguments that start the guest.

    The port is an open socket that QEMU inherits, and so is the monitor of a plan that has one.
    `config_descriptor` is read only if a disk is secret.
    """
    arguments = [
        "qemu-system-x86_64",
        *("-name", _escaped(f"mountproof {plan.role} {' '.join(d.title for d in plan.disks)}")),
        *("-machine", "q35", "-accel", plan.accelerator),
        *("-cpu", "qemu64", "-m", str(plan.memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(plan.images.kernel), "-initrd", str(plan.images.initramfs)),
        *("-append", kernel_command_line(plan)),
        *("-serial", f"file:{_escaped(str(plan.console_log))}"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=port,fd={port_descriptor}"),
        *("-device", f"virtserialport,chardev=port,name={PORT_NAME}"),
    ]
    if plan.monitored:
        arguments += ["-chardev", f"socket,id=monitor,fd={monitor_descriptor}"]
        arguments += ["-mon", "chardev=monitor,mode=control"]
    if any(disk.secret for disk in plan.disks):
        arguments += ["-readconfig", f"/dev/fd/{config_descriptor}"]
    for number, disk in enumerate(plan.disks):
        if not disk.secret:
            description = {"node-name": f"disk{number}", **disk.blockdev}
            arguments += ["-blockdev", json.dumps(description)]
        # An I/O error is the guest's to see and ours to hear of: never a machine that stops.
        device = f"virtio-blk-pci,drive=disk{number},rerror=report,werror=report"
        if _comes_over_http(disk.blockdev):
            device += ONE_AT_A_TIME + GEOMETRY
        arguments += ["-device", device]
    return arguments


def _comes_over_http(node: Mapping[str, object]) -> bool:
    """Tell whether QEMU's http driver is anywhere in a block device's description."""
    children = [child for child in node.values() if isinstance(child, dict)]
    return node.get("driver") in ("http", "https") or any(map(_comes_over_http, children))


def kernel_command_line(plan: GuestPlan) -> str:
    """Return the kernel's command line: fixed options, then the agent's."""
    words = [KERNEL_OPTIONS, f"mp.role={plan.role}"]
    for name, value in plan.options.items():
        word = f"mp.{name}={value}"
        if any(character.isspace() for character in word):
            raise UsageError(f"guest option {name!r} holds white space: {value!r}.")
        words.append(word)
    return " ".join(words)


def secret_configuration(disks: Sequence[Disk]) -> str:
    """Return the -readconfig text for the secret disks; hand it to QEMU, never to a log."""
    lines: list[str] = []
    for number, disk in enumerate(disks):
        if disk.secret:
            lines += [f'[drive "disk{number}"]', '  if = "none"']
            lines += [f'  {key} = "{value}"' for key, value in _flat(disk.blockdev)]
    return "".join(f"{line}\n" for line in lines)


def public_configuration(disks: Sequence[Disk]) -> str:
    """Return the same configuration with every credential blanked out, for the evidence."""
    return redact(secret_configuration(disks))


def _flat(node: Blockdev, prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in node.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{key}.")
            continue
        text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
        if '"' in text or "\n" in text or len(text) > CONFIG_VALUE_MAX:
            raise UsageError(
                f"QEMU cannot be given {prefix}{key}: it is longer than {CONFIG_VALUE_MAX} "
                "characters or holds a quote. Use a shorter path, name or SAS."
            )
        pairs.append((f"{prefix}{key}", text))
    return pairs


def _escaped(text: str) -> str:
    return text.replace(",", ",,")
