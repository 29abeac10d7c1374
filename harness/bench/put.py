"""bench put: our puts against a bare loop of the SDK's `upload_page` with as many connections.

And what merging is worth: 4 KiB writes through the tap, counted until they are all in the blob,
against what that loop moves when it puts each of them by itself.
"""

import time
from typing import Final

from harness.bench.fio import FioLoad, run_fio
from harness.bench.pairs import Measurements, interleave
from harness.bench.primary_run import PrimaryOrder, PrimaryRun
from harness.bench.put_rate import PutOrder, put_rate
from harness.bench.scene import Scene
from harness.bench.sparse_volume import MIB, make_volume

__all__ = ["run"]

PAGE_RUN: Final = 4096
LARGE: Final = 4 * MIB
CONNECTIONS: Final = 4
SECONDS: Final = 1.0
WARM_UP_SECONDS: Final = 10.0
"""A service compiles its code while it runs: a put costs it 3.5 ms at first, 2.2 ms then."""
VOLUME_BYTES: Final = 256 * MIB
DRAIN_S: Final = 120.0


def run(scene: Scene) -> Measurements:
    """Each comparison by itself, pair for pair."""
    found = Measurements()
    seconds = 0.3 if scene.order.quick else SECONDS
    if not scene.order.quick:
        scene.say("warming the service up")
        put_rate(scene, "ours", PutOrder(PAGE_RUN, CONNECTIONS, WARM_UP_SECONDS))
    for key, side, size, connections in (
        ("rate_4k_vs_sdk", "4k_1_connection", PAGE_RUN, 1),
        ("rate_4k_vs_sdk_4", "4k_4_connections", PAGE_RUN, CONNECTIONS),
        ("rate_4m_vs_sdk", "4m_1_connection", LARGE, 1),
        ("rate_4m_vs_sdk_4", "4m_4_connections", LARGE, CONNECTIONS),
    ):
        scene.say(f"puts of {size} bytes, connections: {connections}")
        order = PutOrder(size, connections, seconds)
        rates = _rates(scene, order)
        found.add_ratio(key, rates["ours"], rates["sdk"])
        found.add_figure(f"ours_{side}_puts_per_s", rates["ours"])
        found.add_figure(f"sdk_{side}_puts_per_s", rates["sdk"])
    _merging(scene, found, PutOrder(PAGE_RUN, CONNECTIONS, seconds))
    return found


def _rates(scene: Scene, order: PutOrder) -> dict[str, list[float]]:
    return interleave(
        {
            "ours": lambda: put_rate(scene, "ours", order),
            "sdk": lambda: put_rate(scene, "sdk", order),
        },
        scene.order.pairs,
    )


def _merging(scene: Scene, found: Measurements, order: PutOrder) -> None:
    """Bytes a second, from fio's start until nothing of what it wrote is missing in the blob."""
    size = VOLUME_BYTES // 16 if scene.order.quick else VOLUME_BYTES
    scene.say(f"sequential 4 KiB writes through the tap, {size // MIB} MiB a run")
    volume = make_volume(scene.folder("volume") / "volume.img", size)
    load = FioLoad("merged", PAGE_RUN, 16, size)
    with PrimaryRun(scene, PrimaryOrder(volume), scene.blob_name()) as primary:
        primary.wait_for("protected", DRAIN_S)

        def merged() -> float:
            began = time.monotonic()
            run_fio(primary.socket, primary.export, load)
            return size / (primary.wait_drained(DRAIN_S) - began)

        merged()
        rates = interleave(
            {"merged": merged, "sdk": lambda: put_rate(scene, "sdk", order) * PAGE_RUN},
            scene.order.pairs,
        )
    found.add_ratio("merged_vs_sdk_4k", rates["merged"], rates["sdk"])
    found.add_figure("merged_4k_bytes_per_s", rates["merged"])
    found.add_figure("sdk_4k_4_connections_bytes_per_s", rates["sdk"])
