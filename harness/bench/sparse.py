"""bench sparse: a huge, nearly empty volume costs what its data costs, in memory and in time."""

from pathlib import Path
from typing import Final

from harness.bench.pairs import Measurements, interleave
from harness.bench.primary_run import PrimaryOrder, PrimaryRun
from harness.bench.scene import Scene
from harness.bench.sparse_volume import GIB, MIB, make_volume, spread_extents

__all__ = ["run"]

HUGE_BYTES: Final = 1024 * GIB
SMALL_BYTES: Final = GIB
DATA_BYTES: Final = 64 * MIB
SEED_TIMEOUT_S: Final = 120.0


def run(scene: Scene) -> Measurements:
    """Seed the same amount of data in 1 TiB and in 1 GiB, in turn."""
    scene.say(f"making volumes of 1 TiB and 1 GiB with {DATA_BYTES // MIB} MiB of data each")
    folder = scene.folder("volumes")
    huge = _Seeding(scene, _volume(folder / "huge.img", HUGE_BYTES))
    small = _Seeding(scene, _volume(folder / "small.img", SMALL_BYTES))
    small.once()  # the service warms up
    small.forget()
    pairs = scene.order.pairs
    seconds = interleave(
        {"1tib": huge.once, "1gib": small.once},
        pairs,
        lambda number: scene.say(f"pair {number} of {pairs}"),
    )
    found = Measurements()
    found.add_ratio("time_1tib_vs_1gib", seconds["1tib"], seconds["1gib"])
    found.figures["peak_rss_mib"] = round(max(huge.peaks) / MIB, 1)
    found.figures["peak_rss_1gib_volume_mib"] = round(max(small.peaks) / MIB, 1)
    for name, seeding in (("1tib", huge), ("1gib", small)):
        found.add_figure(f"seed_{name}_seconds", seconds[name])
        found.add_figure(f"seed_{name}_from_process_start_seconds", seeding.process_s)
    found.figures["data_bytes"] = DATA_BYTES
    return found


def _volume(path: Path, size: int) -> Path:
    return make_volume(path, size, spread_extents(size, DATA_BYTES))


class _Seeding:
    """Seeds one volume again and again, each time into a new blob."""

    def __init__(self, scene: Scene, volume: Path) -> None:
        self._scene = scene
        self._volume = volume
        self.peaks: list[int] = []
        self.process_s: list[float] = []

    def once(self) -> float:
        """Seconds from `seeding` to `protected`."""
        order = PrimaryOrder(self._volume)
        with PrimaryRun(self._scene, order, self._scene.blob_name()) as primary:
            began = primary.wait_for("seeding", SEED_TIMEOUT_S).at
            ended = primary.wait_for("protected", SEED_TIMEOUT_S).at
            self.peaks.append(primary.peak_rss_bytes())
        self.process_s.append(ended - primary.process.started_at)
        return ended - began

    def forget(self) -> None:
        """Drop what was measured so far."""
        self.peaks.clear()
        self.process_s.clear()
