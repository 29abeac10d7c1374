"""bench seed: from a volume to a consumable blob, beside the traditional way and a ceiling.

The traditional way converts the volume into a VHD file and uploads that; the ceiling knows the
extents beforehand and only puts them.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azure.storage.blob import BlobType

from harness.bench.bare_put import Checksum, put_extents
from harness.bench.pairs import Measurements, interleave
from harness.bench.primary_run import PrimaryOrder, PrimaryRun
from harness.bench.scene import Scene
from harness.bench.sparse_volume import GIB, MIB, make_volume, striped_extents
from harness.errors import Inconclusive

__all__ = ["run"]

VOLUME_BYTES: Final = 2 * GIB
QUICK_BYTES: Final = 64 * MIB
CONNECTIONS: Final = 4
SEED_TIMEOUT_S: Final = 300.0
FOOTER_BYTES: Final = 512
ROUNDS_A_SERVICE: Final = 3
"""After so many rounds the service gets a fresh data folder, which else grows by gigabytes."""


def run(scene: Scene) -> Measurements:
    """Measure all three, one after another, round for round."""
    return _SeedBench(scene).run()


class _SeedBench:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        size = QUICK_BYTES if scene.order.quick else VOLUME_BYTES
        self._extents = striped_extents(size)
        scene.say(f"making a volume of {size // MIB} MiB with {len(self._extents) * 4} MiB of data")
        self._volume = make_volume(scene.folder("volume") / "volume.img", size, self._extents)
        # what our own puts carry on each (facts.md 3.1): the ceiling's are to cost the same
        self._checksum: Checksum = "md5" if scene.order.azurite == "3.35" else "crc64"
        self._process_s: list[float] = []
        self._convert_s: list[float] = []
        self._written: dict[str, list[float]] = {"ours": [], "traditional": []}
        self._sent: dict[str, list[float]] = {"ours": [], "traditional": []}

    def run(self) -> Measurements:
        self._warm_up()
        sides = {"ours": self._ours, "traditional": self._traditional, "ceiling": self._ceiling}
        seconds = interleave(sides, self._scene.order.pairs, self._after_round)
        found = Measurements()
        found.add_ratio("time_vs_convert_upload", seconds["ours"], seconds["traditional"])
        found.add_ratio("time_vs_ceiling", seconds["ours"], seconds["ceiling"])
        for name, values in seconds.items():
            found.add_figure(f"{name}_seconds", values)
        found.add_figure("ours_from_process_start_seconds", self._process_s)
        found.add_figure("traditional_convert_seconds", self._convert_s)
        for side in ("ours", "traditional"):
            found.add_figure(f"{side}_sent_bytes", self._sent[side])
            found.add_figure(f"{side}_written_to_local_disk_bytes", self._written[side])
        found.figures["volume_bytes"] = self._volume.stat().st_size
        found.figures["data_bytes"] = sum(length for _offset, length in self._extents)
        return found

    def _after_round(self, number: int) -> None:
        order = self._scene.order
        self._scene.say(f"round {number} of {order.pairs}")
        if number % ROUNDS_A_SERVICE == 0 and number < order.pairs:
            self._scene.renew()
            self._warm_up()

    def _warm_up(self) -> None:
        """A service compiles its code while it runs: nobody is to pay for that."""
        self._ceiling()

    def _ours(self) -> float:
        order = PrimaryOrder(self._volume, connections=CONNECTIONS)
        with (
            self._counted("ours"),
            PrimaryRun(self._scene, order, self._scene.blob_name()) as primary,
        ):
            began = primary.wait_for("seeding", SEED_TIMEOUT_S).at
            ended = primary.wait_for("protected", SEED_TIMEOUT_S).at
            self._written["ours"].append(float(primary.stop().write_bytes))
        self._process_s.append(ended - primary.process.started_at)
        return ended - began

    def _traditional(self) -> float:
        vhd = self._scene.folder("convert") / "disk.vhd"
        began = time.monotonic()
        _convert(self._volume, vhd)
        self._convert_s.append(time.monotonic() - began)
        with self._counted("traditional"):
            self._upload(vhd)
        ended = time.monotonic()
        self._written["traditional"].append(float(vhd.stat().st_blocks * 512))
        vhd.unlink()
        return ended - began

    def _upload(self, vhd: Path) -> None:
        with self._scene.blob(self._scene.blob_name()) as blob, vhd.open("rb") as file:
            blob.upload_blob(
                file,
                blob_type=BlobType.PAGEBLOB,
                length=vhd.stat().st_size,
                max_concurrency=CONNECTIONS,
            )

    @contextmanager
    def _counted(self, side: str) -> Iterator[None]:
        """Count what arrives at the service, by the kernel's count of what its process reads."""
        pid = self._scene.service.process.pid
        before = bytes_read_by(pid)
        yield
        self._sent[side].append(float(bytes_read_by(pid) - before))

    def _ceiling(self) -> float:
        name = self._scene.blob_name()
        with self._scene.blob(name) as blob:
            blob.create_page_blob(self._volume.stat().st_size + FOOTER_BYTES)
        url = self._scene.write_url(name)
        return put_extents(url, self._volume, self._extents, CONNECTIONS, self._checksum)


def bytes_read_by(pid: int) -> int:
    """What a process has read so far, sockets included (proc(5), rchar)."""
    text = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    return int(text.partition("rchar: ")[2].partition("\n")[0])


def _convert(source: Path, target: Path) -> None:
    options = ["-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on"]
    command = ["qemu-img", "convert", *options, str(source), str(target)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SEED_TIMEOUT_S)
    except FileNotFoundError:
        raise Inconclusive("qemu-img is not installed (package qemu-utils).") from None
    except subprocess.SubprocessError as error:
        raise Inconclusive(f"qemu-img convert of {source.name} failed: {error}") from None
