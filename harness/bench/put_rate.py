"""Puts a second of a loop that runs as a process of its own: ours or the SDK's."""

import json
import sys
from dataclasses import dataclass
from typing import Final, Literal

from harness.bench.primary_run import STORE_VARIABLE, store_environment
from harness.bench.scene import Scene
from harness.errors import Inconclusive
from harness.lab.process import LabProcess
from harness.redaction import redact

__all__ = ["PutOrder", "put_rate"]

LOOPS: Final = {"ours": "engine.shell.put_loop", "sdk": "harness.bench.sdk_put_loop"}
SLACK_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class PutOrder:
    """What a loop puts: pages of this size, over so many connections, for so long."""

    put_bytes: int
    connections: int
    seconds: float


def put_rate(scene: Scene, who: Literal["ours", "sdk"], order: PutOrder) -> float:
    """Run the loop once on a blob of its own; returns puts a second."""
    folder = scene.folder("puts")
    process = LabProcess(
        f"{who} put loop",
        [
            *(sys.executable, "-m", LOOPS[who]),
            *("--store-env", STORE_VARIABLE, "--container", scene.container),
            *("--blob", scene.blob_name(), "--put-bytes", str(order.put_bytes)),
            *("--connections", str(order.connections), "--seconds", str(order.seconds)),
        ],
        output=folder / "out",
        log=folder / "log",
        env=store_environment(scene),
    )
    try:
        status = process.wait(order.seconds + SLACK_S)
    finally:
        if process.running:
            process.stop()
    if status != 0:
        words = redact(process.log.read_text("utf-8", "replace").strip()[-400:])
        raise Inconclusive(f"the {process.name} ended with {status}: {words}")
    told = json.loads(process.output.read_bytes())
    return float(told["puts"]) / float(told["seconds"])
