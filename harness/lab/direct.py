"""Where the volume's data went: kernel counters, the system's own files, the store's request log.

Measured with a raw workload only: there the lab knows every byte that the guest wrote, and need
not believe the system.
"""

from typing import Final

from harness.judge.facts import DirectWrite, OwnWrite, ProcessIo
from harness.lab.other_objects import strangers, writes_to
from harness.lab.page_cache import KERNEL_PAGE
from harness.lab.stage import RAW_IN_FLIGHT, Stage
from harness.lab.surroundings import file_system_of
from harness.lab.workload import RawProgress

__all__ = ["measure_direct_write"]

TMPFS_KINDS: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})


def measure_direct_write(stage: Stage, replicated_bytes: int) -> DirectWrite | None:
    """Call it after the system's end; None where the plan does not provide for it.

    `replicated_bytes` is the data found in the blob: what was sent twice is left out, so the bound
    that is in proportion to it is the stricter.
    """
    progress = stage.workload.progress
    if not isinstance(progress, RawProgress) or not stage.plan.measures_direct_write:
        return None
    processes = [
        ProcessIo(
            process=name,
            write_bytes=io.write_bytes - io.cancelled_write_bytes,
            wchar=io.wchar,
        )
        for name, io in sorted(stage.volume.io().items())
    ]
    lab, pending = stage.lab, progress.pending(RAW_IN_FLIGHT)
    evidence = [stage.keep_json("io.json", dict(stage.volume.io()))]
    return DirectWrite(
        processes=processes,
        volume_bytes=progress.done.bytes,
        volume_page_bytes=progress.done.page_bytes,
        in_flight_writes=len(pending),
        in_flight_bytes=sum(amount.bytes for amount in pending),
        in_flight_page_bytes=sum(amount.page_bytes for amount in pending),
        own_writes=_own_writes(stage),
        replicated_bytes=replicated_bytes,
        folders_on_disk=file_system_of(stage.site) not in TMPFS_KINDS,
        store_log=lab.store_log is not None,
        other_objects=strangers(lab.view, lab.store_log, lab.blobs),
        log_requests=writes_to(lab.view, lab.store_log, stage.blob),
        evidence=evidence,
    )


def _own_writes(stage: Stage) -> list[OwnWrite]:
    files = stage.volume.own_files()
    items = [
        OwnWrite(what=name, bytes=-(-size // KERNEL_PAGE) * KERNEL_PAGE, storage=True)
        for name, size in files.items()
        if not name.startswith("logs/")
    ]
    spoken = sum(size for name, size in files.items() if name.startswith("logs/"))
    return [*items, OwnWrite(what="event lines and log, to pipes", bytes=spoken, storage=False)]
