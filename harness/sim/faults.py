"""The fault catalogue: what can go wrong, what it means, how it ends, where it can be produced.

One table for the simulator and the lab. A fault counts as fired when it had a real effect, never
when it was only armed: `World.fired` is called by whoever produces the effect.
"""

from dataclasses import dataclass
from typing import Final, Literal

from harness.schedule import Fault

__all__ = ["CATALOGUE", "CONDITIONS", "STRIKES", "Armed", "FaultKind", "kinds_struck"]

Family = Literal["request", "link", "process", "medium", "operator", "clock"]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault.

    meaning: what the world does; heals: what ends it; fires: what counts as an effect; lab:
    whether the lab can produce it on real parts too.
    """

    name: str
    family: Family
    meaning: str
    heals: str
    fires: str
    lab: bool


ONCE = "strikes once"
TIME = "after its time, or by a heal step; the calm heals it on the core's links"

CATALOGUE: Final[tuple[FaultKind, ...]] = (
    FaultKind("request-lost", "request", "the request never reaches the store; the node's"
              " transport gives up: outcome unknown", ONCE, "a request is lost", True),
    FaultKind("answer-lost", "request", "the store applies the request, its answer is lost: outcome"
              " unknown", ONCE, "an applied or refused request stays unanswered", True),
    FaultKind("server-error", "request", "the store applies the request and answers 500: outcome"
              " unknown", ONCE, "an answer of 500 for a request that reached the store", True),
    FaultKind("zombie", "request", "the transport gives up, and the request reaches the store much"
              " later", ONCE, "the late arrival", True),
    FaultKind("doubled", "request", "the request is delivered twice at once; the second answer is"
              " the one that comes back", ONCE, "the second delivery", True),
    FaultKind("late-duplicate", "request", "a copy of an answered request reaches the store much"
              " later", ONCE, "the late arrival", True),
    FaultKind("slow-request", "request", "the request is overtaken by younger ones on its way",
              ONCE, "the delay", True),
    FaultKind("throttled", "request", "the store answers 503 and does nothing", ONCE,
              "an answer of 503", True),
    FaultKind("unreachable", "request", "no connection can be made: nothing is sent", ONCE,
              "a request that could not be sent", True),
    FaultKind("corrupt-request", "request", "bytes of the body change on the way; the checksum sent"
              " along is that of the true bytes", ONCE, "a damaged body reaches the store", True),
    FaultKind("corrupt-read", "request", "bytes of an answer change on the way back", ONCE,
              "a damaged answer reaches the node", True),
    FaultKind("snapshot-limit", "request", "the store refuses a snapshot with 409"
              " SnapshotCountExceeded", ONCE, "the refusal", False),
    FaultKind("media-error", "medium", "a local write, flush, read or bitmap update of the primary"
              " fails with EIO", ONCE, "the failed operation", False),
    FaultKind("bit-rot", "medium", "one page of the blob changes at rest", "when it is written"
              " again", "a page that held something changes", False),
    FaultKind("store-cut", "link", "nothing passes between the node and the store, in either"
              " direction", TIME, "a request or an answer is lost", True),
    FaultKind("store-mute", "link", "no request of the node reaches the store", TIME,
              "a request is lost", True),
    FaultKind("store-deaf", "link", "no answer of the store reaches the node", TIME,
              "an answer is lost", True),
    FaultKind("heartbeat-cut", "link", "no heartbeat reaches the node (all standbys, if the node is"
              " the primary)", TIME, "a heartbeat is lost", True),
    FaultKind("slow-link", "link", "everything between the node and the others takes 30 times as"
              " long", TIME, "a slow request, answer or heartbeat", True),
    FaultKind("clogged", "link", "everything between the node and the others is held back and comes"
              " through, in any order, when the link opens; several links that open in any order"
              " are swizzled clogging", TIME, "something is held back", True),
    FaultKind("slow-process", "process", "the process takes 20 ms for every event", TIME,
              "a delayed event", True),
    FaultKind("kill", "process", "a process is gone between any two of its commands, with all it"
              " had in memory; its disk and what it sent stay", "a start step", "a living process"
              " dies", True),
    FaultKind("restart", "process", "a process starts on the disk of its predecessor", "not needed",
              "a second process of a node starts", True),
    FaultKind("pause", "process", "a process does nothing for a while, then takes in all that"
              " arrived meanwhile", "after its time", "a living process is held", True),
    FaultKind("power-loss", "medium", "the primary's machine loses power: process and volatile"
              " cache are gone", "a start step", "a process dies, or a cached page is lost", False),
    FaultKind("torn-cache", "medium", "at a power loss some cached pages of an operation reached"
              " the medium and some did not", "not needed", "both kinds of pages occur", False),
    FaultKind("clock-jump", "clock", "a node's monotonic clock goes forward at once", "not needed",
              "a living process sees the jump", False),
    FaultKind("stop", "operator", "an operator stops the primary in order", "a start step",
              "a living primary is asked", True),
    FaultKind("failover", "operator", "an operator asks a standby to take over", "not needed",
              "a living standby is asked", True),
    FaultKind("forced-failover", "operator", "an operator makes a standby take over from a primary"
              " that may live", "not needed", "a living standby is asked", True),
    FaultKind("two-standbys", "operator", "two standbys watch one volume", "not needed",
              "both have begun to take over", True),
)  # fmt: skip
"""Every fault, in the order of the documentation."""

CONDITIONS: Final = frozenset(
    {"store-cut", "store-mute", "store-deaf", "heartbeat-cut", "slow-link", "clogged",
     "slow-process"}
)  # fmt: skip
"""Faults that hold for a time, instead of striking something once."""

LOCAL: Final = ("volume-write", "volume-read", "volume-flush", "bitmap")

STRIKES: Final[dict[str, tuple[str, ...]]] = {
    "corrupt-request": ("put",),
    "corrupt-read": ("read",),
    "snapshot-limit": ("snapshot",),
    "media-error": LOCAL,
}
"""Faults that make sense for some kinds of requests only; the others strike any but local ones."""


def kinds_struck(fault: Fault) -> tuple[str, ...] | None:
    """Which kinds of requests an armed fault strikes; None: all that go to the store."""
    kinds = STRIKES.get(fault.fault)
    if fault.on == "any":
        return kinds
    if kinds is None:
        return (fault.on,)
    return (fault.on,) if fault.on in kinds else ()


class Armed:
    """A fault that waits for the request that it strikes, or a condition that holds."""

    __slots__ = ("fault", "kinds", "skip", "struck", "times")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.kinds = kinds_struck(fault)
        self.skip = fault.skip
        self.times = fault.times
        self.struck = False
        """It had an effect at least once."""

    def strikes(self, kind: str) -> bool:
        """Whether it strikes this request; counts it down."""
        if self.kinds is None:
            if kind in LOCAL:
                return False
        elif kind not in self.kinds:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True
