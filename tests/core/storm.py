"""One randomized run: clients, faults of every kind, an end for the primary; then the storm stops.

Safety is watched by SitePair at every change of the blob and at every acknowledgement; this adds
liveness: when the faults have stopped, everything comes to rest as it should.
"""

from random import Random

from engine.core.epochs import Order
from engine.core.messages import FailoverRequested
from engine.core.primary import ENDED, Phase
from engine.core.settings import Fence, Mode
from engine.core.standby import Phase as StandbyPhase
from engine.units import MIB, SECOND_US
from tests.core.site_pair import Plan, SitePair
from tests.core.world import HEALTHY, Faults

ENDINGS = (
    "none", "crash", "crash", "pause", "cut", "deaf", "stop", "force", "reseed", "resync", "resync",
)  # fmt: skip
SIZES = tuple(mib * MIB + odd for mib in (5, 6, 8, 10) for odd in (0, -1024, 1536))
SETTLE_US = 150 * SECOND_US


def draw_plan(random: Random) -> Plan:
    """A configuration."""
    return Plan(
        mode=random.choice(list(Mode)),
        order=random.choice(list(Order)),
        fence=random.choice(list(Fence)),
        volume_bytes=random.choice((6, 8)) * MIB,
        connections=random.choice((1, 2, 4)),
        at_once=random.random() < 0.5,
        base_pages=random.randint(0, 8),
        standbys=random.choice((1, 1, 2)),
        point_interval_us=random.choice((0, 0, SECOND_US // 2, 4 * SECOND_US)),
    )


def draw_faults(random: Random) -> Faults:
    """Some kinds of faults, each now rare, now frequent."""
    chances = [
        random.choice((0.0, 0.0, 0.01, 0.05, 0.15)) if random.random() < 0.6 else 0.0
        for _ in range(8)
    ]
    return Faults(*chances)


class Storm:
    """A run of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.seed = seed
        self.pair = SitePair(seed, draw_plan(self.random))
        self.ending = self.random.choice(ENDINGS)
        self.restarts = 0
        self.changes = self.random.choice((0.0, 0.0, 0.1, 0.3))
        """How often an operation is one of an operator: another size, a point."""

    def run(self) -> None:
        """Raises AssertionError, naming the seed, when a promise is broken."""
        try:
            self._run()
        except AssertionError as broken:
            state = (self.pair.machine.phase, self.pair.standby_machine.phase, self.ending)
            raise AssertionError(f"seed {self.seed} {self.pair.plan} {state}: {broken}") from broken

    def _run(self) -> None:
        pair, world, random = self.pair, self.pair.world, self.random
        world.faults = draw_faults(random) if random.random() < 0.8 else HEALTHY
        pair.start()
        horizon = random.choice((300_000, 3 * SECOND_US, 20 * SECOND_US))
        if random.random() < 0.7:
            world.run(world.now_us + 40 * SECOND_US, lambda: pair.machine.phase is Phase.RUNNING)
        start = world.now_us
        for _ in range(random.randint(2, 5)):
            self._burst(start + random.randint(0, horizon))
        world.at(start + random.randint(0, horizon), self._end)
        if random.random() < 0.5:
            world.at(start + random.randint(0, horizon), self._disturb)
        world.run(start + horizon + 25 * SECOND_US)
        self._calm()
        rest = world.run(world.now_us + SETTLE_US, pair.settled)
        assert rest, f"no rest: open {pair.unanswered()}, {self._why()}"

    def _why(self) -> str:
        return f"primary: {self.pair.machine.reason}; standby: {self.pair.standby_machine.reason}"

    # ── what clients do ───────────────────────────────────────────────────────────────────────

    def _burst(self, at_us: int) -> None:
        """A few operations, some at the same moment, some one after another."""
        for _ in range(self.random.randint(1, 9)):
            at_us += self.random.choice((0, 0, 300, 2_000, 15_000, 60_000))
            self.pair.world.at(at_us, self._operate)

    def _operate(self) -> None:
        pair, point = self.pair, self.random.random()
        if pair.primary.dead:
            return
        if point < self.changes / 2:
            pair.resize(self.random.choice(SIZES))
        elif point < self.changes:
            pair.point()
        elif point < 0.6:
            pair.write(fua=self.random.random() < 0.2)
        elif point < 0.75:
            pair.zero(fua=self.random.random() < 0.1)
        else:
            pair.flush()

    # ── what happens to the sites ─────────────────────────────────────────────────────────────

    def _disturb(self) -> None:
        """A passing trouble: a short pause, a partition, silence, or a paused standby."""
        pair, world, random = self.pair, self.pair.world, self.random
        span = random.choice((200_000, 4 * SECOND_US, 12 * SECOND_US, 18 * SECOND_US))
        match random.choice(("pause", "cut", "deaf", "standby", "limit", "standby dies")):
            case "pause":
                self._pause(span)
            case "cut":
                pair.primary.cut = True
                world.later(span, self._mend)
            case "deaf":
                pair.heartbeats_lost = True
                world.later(span, self._mend)
            case "limit":
                world.blob.limited = True
                world.later(span, self._mend)
            case "standby dies":
                self._standby_dies(random.randrange(len(pair.standbys)))
            case _:
                standby = random.choice(pair.standbys)
                standby.paused = True
                world.later(span, standby.wake)

    def _standby_dies(self, index: int, times: int = 3) -> None:
        """Perhaps on its way to the mount; an operator may send the next one the same way."""
        pair, world, random = self.pair, self.pair.world, self.random
        pair.standbys[index].dead = True

        def start() -> None:
            pair.restart_standby(index)
            if random.random() < 0.7:
                pair.standbys[index].deliver(FailoverRequested(forced=random.random() < 0.3))
                if times:
                    soon = random.choice((3_000, 10_000, 20_000, 40_000, 3 * SECOND_US))
                    world.later(soon, lambda: self._standby_dies(index, times - 1))

        world.later(random.randint(1_000, 2 * SECOND_US), start)

    def _pause(self, span: int) -> None:
        node = self.pair.primary
        if not node.dead and not node.paused:
            node.paused = True
            self.pair.world.later(span, node.wake)

    def _mend(self) -> None:
        self.pair.primary.cut = False
        self.pair.heartbeats_lost = False
        self.pair.world.blob.limited = False

    def _end(self) -> None:
        """What becomes of the primary."""
        pair, world, random = self.pair, self.pair.world, self.random
        match self.ending:
            case "crash":
                pair.primary.dead = True
            case "resync":
                self._crash_and_start()
            case "pause":
                self._pause(random.choice((17, 40)) * SECOND_US)
            case "cut":
                pair.primary.cut = True
                world.later(random.choice((17, 40)) * SECOND_US, self._mend)
            case "deaf":
                pair.heartbeats_lost = True
            case "stop":
                pair.stop()
                world.later(random.randint(1, 10) * SECOND_US, self._start_again)
            case "force":
                random.choice(pair.standbys).deliver(FailoverRequested(forced=True))
            case "reseed":
                pair.primary.dead = True
                world.later(random.randint(10_000, SECOND_US), lambda: self._start_again(True))
            case _:
                pass

    def _crash_and_start(self, times: int = 3) -> None:
        """A crash, perhaps with a loss of power, and a start on the bitmap; perhaps once more."""
        pair, world, random = self.pair, self.pair.world, self.random
        if pair.primary.paused or pair.primary.dead:
            return
        pair.crash(power=random.random() < 0.5)

        def start() -> None:
            if pair.mounted is None:
                self.restarts += 1
                pair.restart()
                self._burst(world.now_us + random.randint(0, 50_000))

        world.later(random.randint(1_000, SECOND_US), start)
        if times and random.random() < 0.5:
            wait = random.choice((5_000, 100_000, 2 * SECOND_US, 8 * SECOND_US))
            world.later(SECOND_US + wait, lambda: self._crash_and_start(times - 1))

    def _start_again(self, reseed: bool = False) -> None:
        pair = self.pair
        if pair.primary.paused:
            return
        if reseed:
            # The operations of the dead process were never answered, and never will be.
            for op in pair.unanswered():
                pair.entries[op].completed, pair.entries[op].error = 1 << 60, 5
        if reseed or pair.stopped_etag:
            self.restarts += 1
            pair.was_protected = pair.was_protected and not reseed
            if reseed:
                # A record of an orderly stop that was long ago: writes are captured until it fails.
                pair.stopped_etag = self.random.choice(("", "stale"))
            pair.restart(reseed=reseed)
            self._burst(pair.world.now_us + self.random.randint(0, 50_000))

    def _calm(self) -> None:
        """The storm is over: the store is healthy, everybody is awake and connected."""
        pair = self.pair
        pair.world.faults = HEALTHY
        self._mend()
        pair.heartbeats_lost = False
        for node in (pair.primary, *pair.standbys):
            if node.paused:
                node.wake()
        if pair.primary.dead and pair.standby_machine.phase is StandbyPhase.WAITING:
            # A standby that never heard the primary does nothing by itself.
            pair.standby.deliver(FailoverRequested(forced=False))
        if pair.primary.dead:
            for op in pair.unanswered():
                pair.entries[op].completed, pair.entries[op].error = 1 << 60, 5


def outcome(storm: Storm) -> str:
    """In one word, how a run ended, so that a test can demand that all endings occur."""
    pair = storm.pair
    if pair.mounted is not None:
        return "mounted"
    if pair.machine.phase in ENDED:
        return str(pair.machine.phase)
    return "dead" if pair.primary.dead else str(pair.machine.phase)
