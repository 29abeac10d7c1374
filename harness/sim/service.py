"""The blob service as the nodes reach it: the page-blob model behind links on which faults strike.

A request takes 0.2 to 4 ms there and as long back, so requests in flight together arrive in any
order. What a fault does is told in the catalogue (faults.py).
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from engine.core.messages import (
    Done,
    Failed,
    ReadPage,
    Refusal,
    StoreAnswer,
    StoreCommand,
    Unknown,
)
from harness.sim import blob_requests as ask
from harness.sim.blob_container import Container
from harness.sim.blob_requests import Answer
from harness.sim.faults import Armed
from harness.sim.node import Node
from harness.sim.page_blob import PageBlob
from harness.sim.process import Process
from harness.sim.store_wire import ASKS, BLOB, CODES, outcome_of
from harness.sim.world import Call, World

__all__ = ["Service"]

FLIGHT_US: Final = 200
SPREAD_US: Final = 3_800
SLOWER: Final = 30
GIVE_UP_US: Final = 3_000_000
LATER_US: Final = 8_000_000

CHANGES: Final = frozenset(
    {"put", "clear", "create", "raise", "resize", "metadata", "snapshot", "delete"}
)
TAKING: Final = frozenset({"acquire", "break"})
UNUSUAL: Final = TAKING | {"list", "create"}
THROTTLED: Final = Answer(503, "ServerBusy")
SNAPSHOT_LIMIT: Final = Answer(409, "SnapshotCountExceeded")
FAILED_AFTER: Final = Answer(500, "InternalError")


class Asked(Call):
    """One request under way; done: its node has an outcome; listed: what a listing found.

    It happens twice where nothing goes wrong: it reaches the store, and the `answer` comes back.
    """

    __slots__ = (
        "answer", "command", "done", "kind", "listed", "node", "process", "request", "service",
    )  # fmt: skip

    def __init__(self, service: "Service", process: Process, command: StoreCommand) -> None:
        self.service = service
        self.answer: Answer | None = None
        self.process = process
        self.node = process.node
        self.command = command
        self.kind, build = ASKS[type(command)]
        self.request = build(command)
        self.done = False
        self.listed: tuple[tuple[str, ask.Metadata], ...] = ()

    def happen(self) -> None:
        """On its way nothing is in trouble."""
        answer = self.answer
        if answer is None:
            self.service.serve(self)
        else:
            self.service.arrive(self, answer)


class Service:
    """Takes commands of processes, applies requests, brings outcomes back."""

    __slots__ = ("_strikes", "_takers", "_tells_answers", "container", "world")

    def __init__(self, world: World) -> None:
        self.world = world
        self.container = Container()
        self._tells_answers = world.watch.answered
        self._takers: list[int] = []
        self._strikes: dict[str, Callable[[Asked, Armed], None]] = {
            "request-lost": self._lose, "answer-lost": self._lose_answer,
            "server-error": self._fail_after, "zombie": self._come_late, "doubled": self._double,
            "late-duplicate": self._copy_late, "slow-request": self._slow,
            "throttled": self._throttle, "unreachable": self._unreachable,
            "corrupt-request": self._damage, "corrupt-read": self._damage_answer,
            "snapshot-limit": self._limit,
        }  # fmt: skip

    def dissolve(self) -> None:
        """It refers to itself no more, and serves no more."""
        self._strikes = {}

    @property
    def blob(self) -> PageBlob | None:
        """The volume's blob, if it exists."""
        return self.container.blobs.get(BLOB)

    def send(self, process: Process, command: StoreCommand) -> None:
        """A request leaves a node."""
        world, node = self.world, process.node
        asked = Asked(self, process, command)
        world.requests += 1
        world.mark(CODES[asked.kind], node.number, command.id)
        for observer in world.watch.sent:
            observer.sent(world.now_us, node.name, asked.request)
        if node.troubled:
            self._send_in_trouble(node, asked)
            return
        due_us = world.now_us + FLIGHT_US + int(node.random() * SPREAD_US)
        world.put(due_us, asked)

    def serve(self, asked: Asked, _second: object = None) -> None:
        """It reaches the store, and the answer goes back."""
        answer = self.apply(asked)
        node, world = asked.node, self.world
        if node.conditions:
            self._answer_in_trouble(asked, answer)
            return
        due_us = world.now_us + FLIGHT_US + int(node.random() * SPREAD_US)
        asked.answer = answer
        world.put(due_us, asked)

    def apply(self, asked: Asked) -> Answer:
        """It reaches the store."""
        world, request = self.world, asked.request
        now_us = world.now_us
        blob = self.container.blobs.get(BLOB)
        if blob is None or asked.kind in UNUSUAL:
            answer = self._apply_unusual(asked)
            blob = self.container.blobs.get(BLOB)
        else:
            answer = blob.apply(now_us, request)
        world.mark(50, answer.status, self.container.etags.changes)
        if answer.status < 300 and asked.kind in CHANGES:
            name = asked.node.name
            assert blob is not None
            for observer in world.watch.applied:
                observer.applied(now_us, name, request, answer, blob)
        return answer

    def _apply_unusual(self, asked: Asked) -> Answer:
        """There is no blob yet, or it is a listing, or somebody reaches for the lease."""
        if asked.kind == "list":
            blob = self.blob
            taken = blob.snapshots if blob else ()
            asked.listed = tuple((snapshot.id, snapshot.metadata) for snapshot in taken)
            return Answer(200)
        if asked.kind in TAKING and asked.node.name != "primary":
            self._takes_over(asked.node)
        return self.container.apply(self.world.now_us, asked.request)

    def _takes_over(self, node: Node) -> None:
        """A standby reaches for the lease; the second one that does so is a fault."""
        if node.number not in self._takers:
            self._takers.append(node.number)
            if len(self._takers) == 2:
                self.world.fire("two-standbys", node.name)

    # ── answers ───────────────────────────────────────────────────────────────────────────────

    def _answer(self, asked: Asked, answer: Answer) -> None:
        if asked.node.conditions:
            self._answer_in_trouble(asked, answer)
        else:
            self._bring(asked, answer, 1)

    def _bring(self, asked: Asked, answer: Answer, slower: int) -> None:
        delay_us = FLIGHT_US + int(asked.node.random() * SPREAD_US)
        self.world.at(self.world.now_us + delay_us * slower, self.arrive, asked, answer)

    def _answer_in_trouble(self, asked: Asked, answer: Answer) -> None:
        node = asked.node
        lost = node.condition("store-cut", "store-deaf")
        if lost is not None:
            self._fire(lost, node)
            self._give_up(asked)
        elif not self._clogged(node, self.arrive, asked, answer):
            self._bring(asked, answer, self._slowness(node))

    def arrive(self, asked: Asked, answer: Answer) -> None:
        """The answer is back at the process that asked."""
        process = asked.process
        if asked.done or not process.alive:
            return
        if asked.kind == "list" and answer.status < 300:
            outcome: StoreAnswer = Done(asked.command.id, snapshots=asked.listed)
        else:
            outcome = outcome_of(asked.command, answer)
        asked.done = True
        if self._tells_answers:
            self._tell_answer(asked, outcome)
        process.deliver(outcome)

    def _finish(self, asked: Asked, outcome: StoreAnswer) -> None:
        """The node learns what became of its request, once."""
        if asked.done or not asked.process.alive:
            return
        asked.done = True
        self._tell_answer(asked, outcome)
        asked.process.deliver(outcome)

    def _tell_answer(self, asked: Asked, outcome: StoreAnswer) -> None:
        for observer in self._tells_answers:
            observer.answered(self.world.now_us, asked.node.name, asked.request, _named(outcome))

    # ── trouble ───────────────────────────────────────────────────────────────────────────────

    def _send_in_trouble(self, node: Node, asked: Asked) -> None:
        if node.conditions:
            cut = node.condition("store-cut", "store-mute")
            if cut is not None:
                self._lose(asked, cut)
                return
            if self._clogged(node, self.serve, asked, None):
                return
        armed = node.strike(asked.kind) if node.armed else None
        if armed is None:
            self._leave(asked, self.serve)
        else:
            self._strikes[armed.fault.fault](asked, armed)

    def _fire(self, armed: Armed, node: Node) -> None:
        armed.struck = True
        self.world.fire(armed.fault.fault, node.name)

    def _slowness(self, node: Node) -> int:
        slow = node.condition("slow-link")
        if slow is None:
            return 1
        self._fire(slow, node)
        return SLOWER

    def _clogged(
        self, node: Node, act: Callable[..., None], asked: Asked, answer: Answer | None
    ) -> bool:
        clog = node.condition("clogged")
        if clog is None:
            return False
        self._fire(clog, node)
        node.held_back.append((act, asked, answer))
        return True

    def _leave(self, asked: Asked, act: Callable[..., None], extra_us: int = 0) -> None:
        node = asked.node
        delay_us = FLIGHT_US + int(node.random() * SPREAD_US)
        if node.conditions:
            delay_us *= self._slowness(node)
        self.world.at(self.world.now_us + delay_us + extra_us, act, asked)

    def _give_up(self, asked: Asked) -> None:
        """The transport waits in vain: unknown."""
        node = asked.node
        span = GIVE_UP_US if node.random() < 0.5 else GIVE_UP_US // 60
        wait_us = 10_000 + int(node.random() * span)
        outcome = Unknown(asked.command.id, f"{asked.kind}: no answer")
        self.world.at(self.world.now_us + wait_us, self._finish, asked, outcome)

    def _late_us(self, asked: Asked, armed: Armed) -> int:
        return armed.fault.for_us or int(asked.node.random() * LATER_US)

    def _lose(self, asked: Asked, armed: Armed) -> None:
        self._fire(armed, asked.node)
        self._give_up(asked)

    def _lose_answer(self, asked: Asked, armed: Armed) -> None:
        def reach(asked: Asked, _second: object) -> None:
            self._fire(armed, asked.node)
            self.apply(asked)

        self._leave(asked, reach)
        self._give_up(asked)

    def _fail_after(self, asked: Asked, armed: Armed) -> None:
        def reach(asked: Asked, _second: object) -> None:
            self._fire(armed, asked.node)
            self.apply(asked)
            self._answer(asked, FAILED_AFTER)

        self._leave(asked, reach)

    def _come_late(self, asked: Asked, armed: Armed) -> None:
        def reach(asked: Asked, _second: object) -> None:
            self._fire(armed, asked.node)
            self.apply(asked)

        self._give_up(asked)
        self._leave(asked, reach, self._late_us(asked, armed))

    def _double(self, asked: Asked, armed: Armed) -> None:
        def reach(asked: Asked, _second: object) -> None:
            self.apply(asked)
            self._fire(armed, asked.node)
            self._answer(asked, self.apply(asked))

        self._leave(asked, reach)

    def _copy_late(self, asked: Asked, armed: Armed) -> None:
        def reach(asked: Asked, _second: object) -> None:
            self._fire(armed, asked.node)
            self.apply(asked)

        self._leave(asked, self.serve)
        self._leave(asked, reach, self._late_us(asked, armed))

    def _slow(self, asked: Asked, armed: Armed) -> None:
        self._fire(armed, asked.node)
        extra_us = armed.fault.for_us or int(asked.node.random() * 100_000)
        self._leave(asked, self.serve, extra_us)

    def _throttle(self, asked: Asked, armed: Armed) -> None:
        self._fire(armed, asked.node)
        self._answer(asked, THROTTLED)

    def _limit(self, asked: Asked, armed: Armed) -> None:
        self._fire(armed, asked.node)
        self._answer(asked, SNAPSHOT_LIMIT)

    def _unreachable(self, asked: Asked, armed: Armed) -> None:
        self._fire(armed, asked.node)
        outcome = Failed(asked.command.id, Refusal.UNREACHABLE, 0, "", "no connection")
        self.world.at(self.world.now_us + FLIGHT_US, self._finish, asked, outcome)

    def _damage(self, asked: Asked, armed: Armed) -> None:
        asked.request = replace(asked.request, digest=ask.DIGEST_WRONG)
        self._fire(armed, asked.node)
        for observer in self.world.watch.damaged:
            observer.damaged(self.world.now_us, "request", asked.request, -1)
        self._leave(asked, self.serve)

    def _damage_answer(self, asked: Asked, armed: Armed) -> None:
        """The transport compares the checksum of what it read: no certain answer."""

        def reach(asked: Asked, _second: object) -> None:
            self._fire(armed, asked.node)
            for observer in self.world.watch.damaged:
                observer.damaged(self.world.now_us, "answer", asked.request, -1)
            outcome = Unknown(asked.command.id, "read: the bytes were damaged on the way")
            self.world.at(self.world.now_us + FLIGHT_US, self._finish, asked, outcome)

        assert isinstance(asked.command, ReadPage)
        self._leave(asked, reach)


def _named(outcome: StoreAnswer) -> str:
    if type(outcome) is Done:
        return "done"
    return outcome.refusal.value if isinstance(outcome, Failed) else "unknown"
