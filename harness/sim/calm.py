"""After the storm: a core is healed for good, the rest stays broken, and rest must come.

The core is one node that can own the blob, and its links: the primary (started again if it is
dead), or a standby whose primary is gone or out of reach. What an operator would do is done: a
stopped or refused primary is started, a standby that never heard its primary is told to take over.
"""

from random import Random
from typing import TYPE_CHECKING, Final

from harness.sim.blob_requests import PAGE_BYTES
from harness.sim.page_blob import PageBlob

if TYPE_CHECKING:
    from harness.sim.process import Process
    from harness.sim.script import Script
    from harness.sim.site import Site

__all__ = ["Calm"]

LOOK_US: Final = 250_000
OPERATOR_US: Final = 5_000_000
"""So often an operator asks a standby that does nothing to take over."""
IDLE: Final = ("waiting", "watching", "refused")
ENDED: Final = ("stopped", "demoted", "refused", "halted")
"""Phases of a primary that only a new process leaves."""
STARTS_MAX: Final = 4
PATIENCE_US: Final = 60_000_000
"""So long an operator leaves a standby alone that waits for a lease to end."""


class Calm:
    """Looks from time to time whether everything is at rest; ends the run when it is."""

    __slots__ = (
        "_ask_us",
        "_core",
        "_impatient_us",
        "_starts",
        "_until_us",
        "script",
        "site",
        "waiting_for",
    )

    def __init__(self, script: "Script", site: "Site", live_us: int) -> None:
        self.script = script
        self.site = site
        self.waiting_for = ""
        self._until_us = site.world.now_us + live_us
        self._impatient_us = site.world.now_us + PATIENCE_US
        self._ask_us = 0
        self._starts = 0
        self._core = self._choose()
        script.core = (self._core,)
        node = site.nodes[self._core]
        world = site.world
        world.tell("phase", "world", f"calm: {self._core} and its links are healed for good")
        for observer in world.watch.calm:
            observer.calm(world.now_us)
        script.heal_node(node)
        if self._core != "primary":
            self._keep_down(site.nodes["primary"].process)
        if node.process is None:
            site.start(self._core)
        world.at(world.now_us + LOOK_US, self._look)

    def _choose(self) -> str:
        """The one that owns the blob, or one of those that could, by the seed."""
        if self.site.mounted:
            return self.site.mounted[-1][0]
        owner = self._metadata().get("mp_owner", "")
        if owner != "primary" and owner in self.site.nodes:
            return owner  # it died on its way to the mount; nobody else is the owner's heir
        primary = self.site.nodes["primary"]
        standby = self.site.nodes["standby"]
        acting = getattr(getattr(standby.process, "machine", None), "phase", "")
        away = primary.process is None or primary.process.paused or bool(primary.conditions)
        if acting in ("fencing", "checking", "claiming", "delaying"):
            return "standby"
        if not away or standby.process is None:
            return "primary"
        chance = Random(self.site.world.seed * 8 + 7).random()
        return "standby" if chance < 0.5 else "primary"

    def _keep_down(self, process: "Process | None") -> None:
        """A primary that is paused for longer than the run has no part in it any more."""
        if process is not None and process.paused:
            process.kill()

    def _look(self, _first: object, _second: object) -> None:
        world = self.site.world
        self.waiting_for = self._waits_for()
        if not self.waiting_for or world.now_us >= self._until_us:
            world.stop()
            return
        self._operate()
        # Until something happens everything stays as it is: a lease is waited for without looks.
        next_us = min(world.next_us(), world.now_us + OPERATOR_US)
        world.at(max(world.now_us + LOOK_US, next_us), self._look)

    def _operate(self) -> None:
        """What an operator does about what he sees."""
        site = self.site
        primary = site.nodes["primary"]
        if site.mounted:
            return
        if self._core == "primary":
            ended = primary.process is not None and _phase(primary.process) in ENDED
            if ended and primary.process is not None and self._starts < STARTS_MAX:
                primary.process.kill()
            if primary.process is None and self._starts < STARTS_MAX:
                self._starts += 1
                site.start("primary")
            return
        standby = site.nodes[self._core].process
        if standby is None:
            site.start(self._core)
        elif _phase(standby) == "watching" and primary.process is None:
            return  # it heard its primary and hears it no more: it must act by itself
        elif site.world.now_us >= self._ask_us and self._wants_a_word(_phase(standby)):
            self._ask_us = site.world.now_us + OPERATOR_US
            # Also a demoted primary beats: to take over all the same needs force.
            site.ask_failover(self._core, forced=primary.process is not None)

    def _wants_a_word(self, phase: str) -> bool:
        """It does nothing, or waits for a primary that lives, out of our reach.

        Such a primary may keep its lease and write without ever hearing an answer (store-deaf).
        """
        stuck = self.site.world.now_us > self._impatient_us
        return phase in IDLE or (phase in ("suspecting", "confirming", "fencing") and stuck)

    # ── is it at rest? ────────────────────────────────────────────────────────────────────────

    def _waits_for(self) -> str:
        """What is not at rest yet, in a few words; empty if everything is."""
        primary = self.site.nodes["primary"].process
        if self.site.mounted:
            return self._waits_for_demotion(primary)
        if self._core != "primary":
            return "" if self._protects(primary) else self._waits_for_mount()
        if primary is None:
            return "a primary that runs"
        if self.site.clients.open:
            return f"{len(self.site.clients.open)} operations without an answer"
        if not self.site.sample(primary):
            return f"protection; the primary is {_phase(primary)}"
        return "" if self._converged() else "the blob to be what the volume is"

    def _protects(self, primary: "Process | None") -> bool:
        """Whether a primary that is no part of the core does its work all the same."""
        if primary is None or primary.paused or self.site.clients.open:
            return False
        return self.site.sample(primary) and self._converged()

    def _waits_for_demotion(self, primary: "Process | None") -> str:
        """A primary that hears the store must know that it is none any more."""
        if primary is None or primary.paused or primary.node.conditions:
            return ""
        if self.site.sample(primary):
            return "the old primary to say that it protects nothing"
        if self.site.clients.open:
            return "the old primary to answer its clients"
        return ""

    def _waits_for_mount(self) -> str:
        standby = self.site.nodes[self._core].process
        if standby is None:
            return "a standby that runs"
        phase = _phase(standby)
        if phase in ("refused", "watching") and not self._recoverable():
            return ""  # watching: it was refused, and heard the primary again
        if self.site.service.blob is None and phase not in ("fencing", "checking", "claiming"):
            return ""
        return f"{self._core} to mount; it is {phase}"

    def _metadata(self) -> dict[str, str]:
        blob = self.site.service.blob
        return dict(blob.metadata) if blob else {}

    def _recoverable(self) -> bool:
        """Whether the blob names an image that a failover could use."""
        told = self._metadata()
        return bool(told) and (told.get("mp_mark", "none") == "none" or bool(told.get("mp_pin")))

    def _converged(self) -> bool:
        """Whether the blob, and what would be recovered now, are what the volume holds."""
        blob, told = self.site.service.blob, self._metadata()
        if blob is None or told.get("mp_intent"):
            return False
        marked = told.get("mp_mark", "none") != "none"
        points = ("", told.get("mp_pin", "")) if marked else ("",)
        return all(self._equals_volume(blob, point) for point in points)

    def _equals_volume(self, blob: PageBlob, snapshot: str) -> bool:
        """Whether the blob, or its snapshot of that id, shows what the volume holds."""
        row = blob.addressed(snapshot)
        if row is None:
            return False
        image = {page: value for page, value in blob.image(snapshot).items() if value is not None}
        image.pop(row.length // PAGE_BYTES - 1, None)
        held = self.site.volume.pages
        return image == held or all(
            image.get(page) == held.get(page)
            for page in {*image, *held} - self._failed() - set(self.script.rotten)
        )

    def _failed(self) -> set[int]:
        """Pages of writes that the medium refused: blob and volume may differ until a restart."""
        return {
            page
            for operation in self.site.clients.operations
            if operation.error
            for page in range(operation.first_page, operation.first_page + operation.pages)
        }


def _phase(process: "Process") -> str:
    machine: object = process.machine
    return str(getattr(machine, "phase", ""))
