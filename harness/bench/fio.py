"""fio's NBD engine as the load: writes of one size, depth and order against any NBD server."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import Inconclusive

__all__ = ["FioLoad", "FioRates", "run_fio"]

TIMEOUT_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class FioLoad:
    """What fio writes in all; `random` says where, over the whole disk, or from its start on."""

    name: str
    block_bytes: int
    depth: int
    total_bytes: int
    random: bool = False


@dataclass(frozen=True, slots=True)
class FioRates:
    """What fio measured itself."""

    writes_per_s: float
    bytes_per_s: float


def run_fio(socket: Path, export: str, load: FioLoad) -> FioRates:
    """Run the load once; `Inconclusive` if fio cannot, or had an error."""
    command = [
        *("fio", "--output-format=json", "--ioengine=nbd", f"--name={load.name}"),
        f"--uri=nbd+unix:///{export}?socket={socket}",
        f"--rw={'randwrite' if load.random else 'write'}",
        *(f"--bs={load.block_bytes}", f"--iodepth={load.depth}"),
        *(f"--io_size={load.total_bytes}", "--randrepeat=1", "--norandommap=1"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise Inconclusive("fio is not installed; run `make setup`") from None
    except subprocess.TimeoutExpired:
        raise Inconclusive(f"fio did not end {load.name} within {TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        raise Inconclusive(f"fio failed at {load.name}: {done.stderr.strip()[-400:]}")
    job = json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0]
    if job["error"] or job["write"]["io_bytes"] < load.total_bytes:
        raise Inconclusive(f"fio wrote less than {load.total_bytes} bytes at {load.name}")
    return FioRates(float(job["write"]["iops"]), float(job["write"]["bw_bytes"]))
