"""bench tap: what the volume tap costs a client, against qemu-nbd on a raw file and per fsync.

The engine replicates all the while: each run's writes are on their way to the blob during the run,
and the next one starts when all of them have arrived.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from harness.bench.fio import FioLoad, run_fio
from harness.bench.fsync import measure_fsync
from harness.bench.nbd_rival import EXPORT, QemuNbd
from harness.bench.pairs import Measurements, interleave
from harness.bench.primary_run import PrimaryOrder, PrimaryRun
from harness.bench.scene import Scene
from harness.bench.sparse_volume import GIB, MIB, make_volume

__all__ = ["lowest", "run"]

VOLUME_BYTES: Final = GIB
QUICK_DIVISOR: Final = 16
KIB: Final = 1024
DRAIN_S: Final = 240.0
RANDOM_PAIRS_MAX: Final = 3
"""Random writes are figures only: they promise nothing."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One way to write; the disk that holds it all must not become what is measured."""

    name: str
    block_bytes: int
    depth: int
    total_bytes: int
    random: bool = False


SEQUENTIAL: Final = (
    _Case("4k_qd1", 4 * KIB, 1, 32 * MIB),
    _Case("4k_qd16", 4 * KIB, 16, 96 * MIB),
    _Case("1m_qd1", MIB, 1, 256 * MIB),
    _Case("1m_qd16", MIB, 16, 256 * MIB),
)
RANDOM: Final = (
    _Case("4k_random_qd1", 4 * KIB, 1, 8 * MIB, random=True),
    _Case("4k_random_qd16", 4 * KIB, 16, 8 * MIB, random=True),
)


def run(scene: Scene) -> Measurements:
    """Sequential, random, and the price of an fsync."""
    found = Measurements()
    _against_qemu_nbd(scene, found)
    scene.renew()
    measure_fsync(scene, found)
    return found


def _against_qemu_nbd(scene: Scene, found: Measurements) -> None:
    folder = scene.folder("volumes")
    size = VOLUME_BYTES // (QUICK_DIVISOR if scene.order.quick else 1)
    ours = make_volume(folder / "ours.img", size)
    theirs = make_volume(folder / "theirs.img", size)
    with (
        PrimaryRun(scene, PrimaryOrder(ours, "async"), scene.blob_name()) as primary,
        QemuNbd(scene, theirs) as rival,
    ):
        primary.wait_for("protected", DRAIN_S)
        before = primary.status().replicated_bytes or 0
        lags: list[int] = []

        def through_tap(load: FioLoad) -> float:
            rates = run_fio(primary.socket, primary.export, load)
            lags.append(primary.status().lag_bytes or 0)
            primary.wait_drained(DRAIN_S)
            return rates.writes_per_s

        def through_rival(load: FioLoad) -> float:
            return run_fio(rival.socket, EXPORT, load).writes_per_s

        for case in SEQUENTIAL + RANDOM:
            load = _load(case, quick=scene.order.quick)
            pairs = min(scene.order.pairs, RANDOM_PAIRS_MAX) if case.random else scene.order.pairs
            scene.say(f"{case.name}: {load.total_bytes // MIB} MiB a run, {pairs} pairs")
            through_tap(load)
            through_rival(load)
            sides = {"tap": partial(through_tap, load), "qemu_nbd": partial(through_rival, load)}
            rates = interleave(sides, pairs)
            _take(found, case, rates)
        found.figures["replicated_bytes"] = (primary.status().replicated_bytes or 0) - before
        found.figures["largest_lag_after_a_run_bytes"] = max(lags)
    lowest(found, "tap_4k_vs_qemu_nbd", ("tap_4k_qd1_vs_qemu_nbd", "tap_4k_qd16_vs_qemu_nbd"))
    lowest(found, "tap_1m_vs_qemu_nbd", ("tap_1m_qd1_vs_qemu_nbd", "tap_1m_qd16_vs_qemu_nbd"))


def _load(case: _Case, *, quick: bool) -> FioLoad:
    total = case.total_bytes // (QUICK_DIVISOR if quick else 1)
    return FioLoad(case.name, case.block_bytes, case.depth, total, case.random)


def _take(found: Measurements, case: _Case, rates: dict[str, list[float]]) -> None:
    for side, values in rates.items():
        found.add_figure(f"{side}_{case.name}_writes_per_s", values)
    if case.random:
        found.add_figure(
            f"tap_{case.name}_of_qemu_nbd_percent",
            [100 * ours / theirs for ours, theirs in zip(*rates.values(), strict=True)],
        )
    else:
        found.add_ratio(f"tap_{case.name}_vs_qemu_nbd", rates["tap"], rates["qemu_nbd"])


def lowest(found: Measurements, name: str, parts: tuple[str, ...]) -> None:
    """A promise holds at every depth: its ratio is the worst one's."""
    worst = min(parts, key=lambda part: found.ratios[part])
    found.ratios[name] = found.ratios[worst]
    found.ratios[f"{name}_spread"] = found.ratios[f"{worst}_spread"]
