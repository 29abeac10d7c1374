"""bench rto: from the standby's declaration of failure to "verified", beside a bare boot.

The bare boot is the same guest doing the same mount and the same verification from a local raw copy
of the very same disk: what is left is the price of fencing and of reading straight from the blob.

Every other disaster boots the bare copy first: the first boot after one tends to be slower,
whichever it is.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.adapter import BlobService, Handover, ProtectedVolume, VolumeOrder
from harness.adapters.reference_engine import ReferenceEngine
from harness.bench.guests import GuestLab, guest_lab
from harness.bench.pairs import Measurements
from harness.bench.scene import Scene
from harness.bench.sparse_volume import MIB, make_volume
from harness.disk.guest_report import read_report
from harness.disk.source import open_disk
from harness.errors import Inconclusive
from harness.guest.disks import nbd_disk, recovery_disk
from harness.guest.ledger import LedgerRecord
from harness.guest.vm import GuestLine
from harness.lab.blob_view import disk_chunks
from harness.lab.waiting import StopSignal

__all__ = ["run"]

VOLUME_BYTES: Final = 64 * MIB
ENTRIES: Final = 100
QUICK_ENTRIES: Final = 10
TIMEOUT_S: Final = 3.0
HEARTBEAT_S: Final = 0.5
GUEST_S: Final = 120.0
FAILOVER_S: Final = 60.0
POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class _Boot:
    """One recovery, CLOCK_MONOTONIC seconds: before its overlay is made, then each step."""

    began_at: float
    ready_at: float
    mounted_at: float
    verified_at: float

    @property
    def whole_s(self) -> float:
        """From nothing to `verified`."""
        return self.verified_at - self.began_at

    @property
    def start_s(self) -> float:
        """Overlay, QEMU and kernel."""
        return self.ready_at - self.began_at

    @property
    def mount_s(self) -> float:
        """Of the mount, with the journal's replay."""
        return self.mounted_at - self.ready_at

    @property
    def verify_s(self) -> float:
        """Of ledger, unmount and e2fsck."""
        return self.verified_at - self.mounted_at


@dataclass(frozen=True, slots=True)
class _Pair:
    """One disaster: the way back from the blob, and the bare boot of the same disk."""

    killed_at: float
    declared_at: float
    handed_over_at: float
    blob: _Boot
    local: _Boot

    @property
    def fencing_s(self) -> float:
        """From the declaration to a disk that may be mounted."""
        return self.handed_over_at - self.declared_at

    @property
    def rto_s(self) -> float:
        """From the declaration to `verified`, less a bare boot that came in between."""
        return self.fencing_s + self.blob.whole_s


def run(scene: Scene) -> Measurements:
    """Stage as many disasters as pairs."""
    lab = guest_lab(scene)
    pairs: list[_Pair] = []
    for number in range(1, scene.order.pairs + 1):
        pair = _Disaster(scene, lab).run(bare_first=number % 2 == 0)
        pairs.append(pair)
        scene.say(
            f"disaster {number} of {scene.order.pairs}: verified {pair.rto_s:.2f} s after the"
            f" declaration, bare boot {pair.local.whole_s:.2f} s"
        )
    return _measurements(pairs)


def _measurements(pairs: list[_Pair]) -> Measurements:
    found = Measurements()
    rto, bare = [pair.rto_s for pair in pairs], [pair.local.whole_s for pair in pairs]
    found.add_ratio("vs_bare_boot", rto, bare)
    excess = [pair.declared_at - pair.killed_at - TIMEOUT_S for pair in pairs]
    found.figures["detection_excess_s"] = round(max(excess), 3)
    found.figures["detection_excess_least_s"] = round(min(excess), 3)
    found.figures["heartbeat_interval_s"] = HEARTBEAT_S
    found.figures["failure_timeout_s"] = TIMEOUT_S
    found.add_figure("declared_to_verified_seconds", rto)
    found.add_figure("bare_boot_seconds", bare)
    found.add_figure("fencing_seconds", [pair.fencing_s for pair in pairs])
    found.add_figure("vm_start_seconds", [pair.blob.start_s for pair in pairs])
    found.add_figure("mount_seconds", [pair.blob.mount_s for pair in pairs])
    found.add_figure("verify_seconds", [pair.blob.verify_s for pair in pairs])
    found.add_figure("bare_vm_start_seconds", [pair.local.start_s for pair in pairs])
    found.add_figure("bare_mount_seconds", [pair.local.mount_s for pair in pairs])
    found.add_figure("bare_verify_seconds", [pair.local.verify_s for pair in pairs])
    return found


class _Disaster:
    """One volume from its protection to both recoveries."""

    def __init__(self, scene: Scene, lab: GuestLab) -> None:
        self._scene = scene
        self._lab = lab
        self._stop = StopSignal()
        self._folder = scene.folder("site")
        self._entries = QUICK_ENTRIES if scene.order.quick else ENTRIES

    def run(self, *, bare_first: bool) -> _Pair:
        volume = self._protect()
        try:
            killed_at = self._work_and_die(volume)
            declared_at = self._await_event(volume, "standby", "failure-declared", FAILOVER_S)
            handover = self._await_handover(volume)
            if bare_first:
                local = self._recover_copy(handover)
            blob = self._recover(handover.url, handover.size_bytes, "blob.qcow2")
            if not bare_first:
                local = self._recover_copy(handover)
        finally:
            volume.stop()
        return _Pair(
            killed_at=killed_at,
            declared_at=declared_at,
            handed_over_at=handover.at,
            blob=blob,
            local=local,
        )

    def _protect(self) -> ProtectedVolume:
        side = self._folder / "primary"
        side.mkdir()
        path = make_volume(side / "volume.img", VOLUME_BYTES)
        order = VolumeOrder(
            name="db",
            path=path,
            blob=self._scene.blob_name(),
            mode="sync",  # in other modes a broken lease is waited out (protocol.md H11)
            order="flush",
            fence="break",
            failure_timeout_s=TIMEOUT_S,
            heartbeat_s=HEARTBEAT_S,
        )
        service = BlobService(self._scene.connection_string, self._scene.container)
        volume = ReferenceEngine().protect(order, service, self._folder)
        try:
            self._await_event(volume, "primary", "protected", FAILOVER_S)
        except BaseException:
            volume.stop()
            raise
        return volume

    def _work_and_die(self, volume: ProtectedVolume) -> float:
        """A guest's ledger until enough entries are acknowledged; then the whole site dies."""
        record = LedgerRecord()
        disk = nbd_disk(volume.device, volume.export)
        with self._lab.guest("workload", {"format": 1, "seed": 7}, [disk]) as guest:
            for line in guest.lines(GUEST_S):
                record.hear(line)
                if len(record.acknowledged) >= self._entries:
                    break
            guest.kill()
            killed_at = volume.kill_primary()
        if len(record.acknowledged) < self._entries:
            raise Inconclusive(f"the guest ended after {len(record.acknowledged)} entries")
        self._acknowledged = len(record.acknowledged)
        return killed_at

    def _recover(self, source: str | Path, size_bytes: int, overlay: str) -> _Boot:
        """Boot, mount, verify; a disk that is not good or lost an entry ends the bench."""
        began_at = time.monotonic()
        driver = "raw" if isinstance(source, Path) else "vpc"
        disk = recovery_disk(source, size_bytes, self._folder / overlay, driver=driver)
        with self._lab.guest("prove", {}, [disk]) as guest:
            lines = list(guest.lines(GUEST_S))
        report = read_report(line.text for line in lines)
        entries = report.number("ledger", "entries", 0)
        if report.end is None or report.end.get("verdict") != "good":
            raise Inconclusive(f"the recovered disk was not verified: {lines[-3:]}")
        if entries < self._acknowledged:
            raise Inconclusive(f"{self._acknowledged} entries were safe, {entries} are there")
        return _Boot(
            began_at=began_at,
            ready_at=_at(lines, "ready"),
            mounted_at=_at(lines, "step mount"),
            verified_at=_at(lines, "end"),
        )

    def _recover_copy(self, handover: Handover) -> _Boot:
        """The same from a raw file with the blob's disk."""
        copy = self._folder / "copy.img"
        source = open_disk(handover.url)
        try:
            with copy.open("xb") as file:
                file.truncate(handover.size_bytes)
                for offset, data in disk_chunks(source, handover.size_bytes):
                    file.seek(offset)
                    file.write(data)
        finally:
            source.close()
        return self._recover(copy, handover.size_bytes, "local.qcow2")

    def _await_event(
        self, volume: ProtectedVolume, side: str, name: str, timeout_s: float
    ) -> float:
        times: list[float] = []

        def happened() -> bool:
            volume.check_running()
            times.extend(e.at for e in volume.events() if e.side == side and e.name == name)
            return bool(times)

        self._stop.until(happened, timeout_s, f"{name} of the {side}", POLL_S)
        return times[0]

    def _await_handover(self, volume: ProtectedVolume) -> Handover:
        found: list[Handover] = []

        def happened() -> bool:
            handover = volume.handover()
            found.extend([handover] if handover is not None else [])
            return bool(found)

        self._stop.until(happened, FAILOVER_S, "the handover of the disk", POLL_S)
        return found[0]


def _at(lines: list[GuestLine], words: str) -> float:
    return next(line.at for line in lines if line.text.startswith(words))
