"""Where a run took place: the machine and the versions of everything that took part."""

import os
import platform
from pathlib import Path
from typing import Final

from harness.lab.priority import may_go_first
from harness.parts import versions

__all__ = ["file_system_of", "limits", "machine", "tested_against"]

_LIMITS: Final = (
    (
        "Disasters are kills and pauses of processes on one machine; power loss, failing disks and"
        " real networks between sites are not shown."
    ),
    (
        "Virtual machines run under QEMU's emulator (TCG) where KVM does not boot a guest: other"
        " hypervisors and real hardware are not shown."
    ),
    (
        "A disaster is staged only when the processors have room for its recovery, whose guest runs"
        " at a raised priority where the user may raise it: recovery on an overloaded secondary"
        " site is not shown, and the wait may make losses in mode async smaller."
    ),
    (
        "Most kills strike just after a write began, so that one is in flight; instants at which"
        " the primary is idle are hardly shown."
    ),
    (
        "What the engine wrote beside its volume is measured only where all of the guest's writes"
        " are known: with raw pages, in modes sync and async."
    ),
    (
        "A number of trials bounds how often a failure can happen; it does not prove that it never"
        " does."
    ),
)
_SIMULATED: Final = (
    "Simulated disasters run the engine's protocol core against a model of the service, the volume"
    " and the network: the code around the core is shown by the trials on real parts only."
)
_EMULATOR: Final = (
    "The blob service is Azurite, an emulator: real Azure, with its reordering, throttling and"
    " replication, is not shown."
)


_TOOLS: Final = (
    "guest",
    "qemu-system-x86_64",
    "qemu-img",
    "qemu-io",
    "libvhdi",
    "dissect",
    "azure sdk",
)


_VOLUMES: Final = (
    "One volume at a time, of at most {mib} MiB, with an ext4 file system or raw pages; larger"
    " volumes, other file systems and consistency groups are not shown."
)


def limits(service: str, volume_bytes_max: int, *, simulated: bool = False) -> list[str]:
    """Sentences about what this run does not show, for its service and its largest volume."""
    emulated = [_EMULATOR] if service.startswith("Azurite") else []
    model = [_SIMULATED] if simulated else []
    return [*emulated, _VOLUMES.format(mib=-(-volume_bytes_max // (1 << 20))), *_LIMITS, *model]


def machine(scratch: Path) -> dict[str, str]:
    """The machine: processor, memory, kernel, and how busy it was. Nothing that names it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "processors": str(os.cpu_count() or 1),
        "memory": f"{memory / (1 << 30):.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _system_name(),
        "python": platform.python_version(),
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "scratch file system": file_system_of(scratch),
        "recoveries": f"processor priority {'raised' if may_go_first() else 'ordinary'}",
    }


def tested_against(service: str, accelerator: str) -> dict[str, str]:
    """The services and tools that took part, with their versions."""
    azurite = ("node 22",) if service.startswith("Azurite") else ()
    found = versions()
    took_part = {name: found[name] for name in (*azurite, *_TOOLS) if name in found}
    return {"blob service": service, "accelerator": accelerator, **took_part}


def file_system_of(folder: Path) -> str:
    """Type of the file system that holds `folder`, by /proc/self/mountinfo."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system_name() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
