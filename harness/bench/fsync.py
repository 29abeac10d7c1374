"""What an fsync costs a guest: ext4 on the tap in sync-on-flush, against bare 4 KiB puts.

An fsync of ext4 is at least two writes in order, data and journal, each of which has to be in the
blob before the next: a guest cannot have as many of them as there are bare puts.
"""

import re
from typing import Final

from harness.bench.guests import guest_lab
from harness.bench.pairs import Measurements, interleave
from harness.bench.primary_run import PrimaryOrder, PrimaryRun
from harness.bench.put_rate import PutOrder, put_rate
from harness.bench.scene import Scene
from harness.bench.sparse_volume import MIB, make_volume
from harness.errors import Inconclusive
from harness.guest.disks import nbd_disk

__all__ = ["measure_fsync"]

VOLUME_BYTES: Final = 64 * MIB
ENTRIES: Final = 300
QUICK_ENTRIES: Final = 30
GUEST_S: Final = 120.0
PUTS: Final = PutOrder(4096, 1, 1.5)
QUICK_PUTS: Final = PutOrder(4096, 1, 0.3)
_RESULT: Final = re.compile(r"fsyncs (\d+) seconds (\d+\.\d+)")


def measure_fsync(scene: Scene, found: Measurements) -> None:
    """Boot a guest for each pair; it formats its disk, appends 4 KiB and syncs, again and again."""
    lab = guest_lab(scene)
    quick = scene.order.quick
    options = {"format": 1, "entries": QUICK_ENTRIES if quick else ENTRIES}
    volume = make_volume(scene.folder("volume") / "volume.img", VOLUME_BYTES)
    order = PrimaryOrder(volume, "sync-on-flush")
    with PrimaryRun(scene, order, scene.blob_name()) as primary:
        primary.wait_for("protected", GUEST_S)
        disk = nbd_disk(primary.device, primary.export)

        def fsyncs() -> float:
            with lab.guest("fsyncbench", options, [disk]) as guest:
                line = guest.wait_for("fsyncs", GUEST_S)
                guest.wait_for("end", GUEST_S)
            told = _RESULT.fullmatch(line.text)
            if told is None or int(told[1]) != options["entries"]:
                raise Inconclusive(f"the guest did not do all its fsyncs: {line.text!r}")
            return int(told[1]) / float(told[2])

        pairs = scene.order.pairs
        scene.say(f"{options['entries']} fsyncs a guest, {pairs} pairs")
        rates = interleave(
            {
                "fsync": fsyncs,
                "put": lambda: put_rate(scene, "ours", QUICK_PUTS if quick else PUTS),
            },
            pairs,
            lambda number: scene.say(f"fsync pair {number} of {pairs}"),
        )
    found.add_ratio("fsync_vs_bare_put", rates["fsync"], rates["put"])
    found.add_figure("guest_fsyncs_per_s", rates["fsync"])
    found.add_figure("bare_4k_puts_per_s", rates["put"])
