"""`mountproof swarm --materialise K`: the disks of K of its disasters, made real and booted."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec

from harness.explore.chunk import SEEDS_PER_SWARM
from harness.explore.swarm import SwarmOrder
from harness.materialise.campaign import Contradiction, MaterialiseResult, materialise
from harness.sim.drawing import draw_schedule
from harness.sim.system import System

__all__ = ["Boots", "boot_disks", "boots_line"]


class Boots(msgspec.Struct, frozen=True, kw_only=True):
    """What the provers and virtual machines said of real disks."""

    disasters: int
    images: int
    booted: int
    booted_from_disk: int
    refused: int
    told_wrong: int
    pages: int
    boot_s: float
    images_per_s: float
    verdict: str
    findings: list[Contradiction]
    missing: list[str]


def boot_disks(
    order: SwarmOrder, system: System, disks: int, folder: Path | None, say: Callable[[str], None]
) -> Boots:
    """Take the first disasters of the swarm; their disks stay below `folder` if there is one."""

    def tell(result: MaterialiseResult) -> None:
        say(f"materialise: {result.images} disks, {result.booted} booted")

    first = order.seed * SEEDS_PER_SWARM
    result = materialise(
        (draw_schedule(seed) for seed in count(first)), disks,
        folder=None if folder is None else folder / "disks", system=system, tell=tell,
    )  # fmt: skip
    return Boots(
        disasters=result.disasters, images=result.images, booted=result.booted,
        booted_from_disk=result.booted_from_disk, refused=result.refused,
        told_wrong=result.told_wrong, pages=result.pages, boot_s=round(result.boot_s, 4),
        images_per_s=result.images_per_s, verdict=result.verdict, findings=result.findings,
        missing=result.missing,
    )  # fmt: skip


def boots_line(boots: Boots) -> str:
    """One line of a summary."""
    said = (
        f"materialised: {boots.images} disks of {boots.disasters} disasters, {boots.booted} booted"
        f" ({boots.boot_s:.2f} s each), {boots.refused} rightly refused,"
        f" {boots.told_wrong} with a wrong page that was told"
    )
    return f"{said}: {boots.verdict}"
