"""OWN against a model of the blob: every ending, and trouble on the way."""

from itertools import count

import pytest
from msgspec.structs import replace

from engine.core.blob_metadata import new_metadata
from engine.core.epochs import Order
from engine.core.messages import (
    Acquire,
    Break,
    Change,
    Command,
    Create,
    Done,
    Head,
    LeaseReady,
    NewLease,
    Raise,
    Release,
    SetMetadata,
    SetTimer,
    StoreAnswer,
    Unknown,
)
from engine.core.ownership import Ending, Ownership
from engine.core.settings import Mode, VolumeSettings, authority_us
from engine.units import MIB, SECOND_US
from tests.core.blob_model import BlobModel

SETTINGS = VolumeSettings(
    "db", "primary-1", MIB, b"i" * 16, 0, Mode.SYNC, Order.STRICT, 2, 15, SECOND_US, MIB
)


class Bench:
    """An Ownership and a blob; one command at a time, answered truly unless in `lost`."""

    def __init__(self, node: str = "primary-1") -> None:
        ids = count(1)
        self.now_us = 0
        self.ownership = Ownership(node, 15, lambda: next(ids))
        self.blob = BlobModel()
        self.blob.apply(0, Create(0, MIB + 512, new_metadata(SETTINGS).to_map(), 0))
        self.seen: list[str] = []
        self.lost: set[str] = set()
        self.before: dict[str, StoreAnswer] = {}

    def run(self, commands: list[Command], until_us: int = 60 * SECOND_US) -> Ending | None:
        """Execute until the end, or until the time."""
        pending = [*commands]
        while pending and self.now_us <= until_us:
            command = pending.pop(0)
            name = type(command).__name__
            if isinstance(command, SetTimer):
                self.now_us = command.at_us
                pending += self.ownership.timer(self.now_us)
            elif isinstance(command, NewLease):
                self.seen.append(name)
                pending += self.ownership.handle(
                    self.now_us, LeaseReady(command.id, f"fresh-{command.id}")
                )
            elif isinstance(
                command,
                Head | Break | Acquire | Change | Raise | Release | SetMetadata,
            ):
                self.seen.append(name)
                self.now_us += 1000
                answer = self.blob.apply(self.now_us, command)
                if name in self.lost:
                    self.lost.remove(name)
                    answer = Unknown(command.id, "no answer")
                pending += self.ownership.handle(self.now_us, answer)
        return self.ownership.ending

    def hold(self, lease: str = "other", seconds: int = 15) -> None:
        """Somebody else has the lease."""
        self.blob.apply(self.now_us, Acquire(0, lease, seconds, self.blob.etag()))


def test_the_shortest_way() -> None:
    bench = Bench()
    assert bench.run(bench.ownership.start(0)) is Ending.OWNED
    assert bench.seen == ["Head", "NewLease", "Acquire", "Head", "Raise", "Head"]
    owned = bench.ownership.owned
    assert owned is not None
    assert owned.number == bench.blob.number == (1 << 32) + 1
    assert owned.state.etag == bench.blob.etag()
    assert owned.etag_found == "e1"
    assert owned.authority_us == authority_us(1000, 15)


@pytest.mark.parametrize("lost", ["Head", "Acquire", "Raise"])
def test_a_lost_answer_costs_seconds_not_a_whole_lease(lost: str) -> None:
    bench = Bench()
    bench.lost = {lost}
    assert bench.run(bench.ownership.start(0)) is Ending.OWNED
    assert bench.now_us < 3 * SECOND_US
    assert bench.ownership.owned is not None
    assert bench.ownership.owned.etag_found == "e1", "our own Raise is nobody's change"


def test_waits_for_a_live_lease_to_expire_and_never_breaks_it() -> None:
    bench = Bench()
    bench.hold()
    assert bench.run(bench.ownership.start(0)) is Ending.OWNED
    assert bench.now_us > 15 * SECOND_US
    assert "Break" not in bench.seen


def test_h16_a_restart_changes_the_lease_it_knows_of_and_has_no_authority_yet() -> None:
    bench = Bench()
    bench.hold("mine-before")
    start = bench.ownership.start(0, previous_lease="mine-before")
    assert bench.run(start) is Ending.OWNED
    assert "Change" in bench.seen
    assert bench.ownership.owned is not None
    assert bench.ownership.owned.authority_us <= bench.now_us


def test_a_primary_learns_that_the_blob_is_anothers() -> None:
    bench = Bench("primary-2")
    assert bench.run(bench.ownership.start(0)) is Ending.FOREIGN
    assert bench.seen == ["Head"]


def test_h9_a_primary_that_acquires_after_another_claimed_releases() -> None:
    bench = Bench()
    start = bench.ownership.start(0)
    metadata = replace(new_metadata(SETTINGS), owner="standby-1", term=2)
    looked = bench.blob.apply(0, start[0])  # type: ignore[arg-type]  # it is a Head
    bench.blob.metadata = metadata.to_map()
    assert bench.run(bench.ownership.handle(0, looked)) is Ending.FOREIGN
    assert bench.seen[-1] == "Release"
    assert bench.blob.lease == ""


def test_a_standby_claims_the_next_term() -> None:
    bench = Bench("standby-1")
    assert bench.run(bench.ownership.start(0, take_over=True)) is Ending.OWNED
    assert bench.seen[-2:] == ["SetMetadata", "Head"]
    assert bench.ownership.owned is not None
    assert (bench.ownership.owned.metadata.owner, bench.ownership.owned.metadata.term) == (
        "standby-1",
        2,
    )


def test_a_claim_without_answer_is_resolved_by_what_the_blob_says() -> None:
    bench = Bench("standby-1")
    bench.lost = {"SetMetadata"}
    assert bench.run(bench.ownership.start(0, take_over=True)) is Ending.OWNED
    assert bench.ownership.owned is not None
    assert bench.ownership.owned.metadata.term == 2


def test_a_forced_standby_breaks_and_remembers_when() -> None:
    bench = Bench("standby-1")
    bench.hold()
    start = bench.ownership.start(0, take_over=True, break_lease=True)
    assert bench.run(start) is Ending.OWNED
    assert "Break" in bench.seen
    assert bench.ownership.broke_at_us == 2000


def test_h11_a_lease_found_broken_counts_as_broken_now() -> None:
    """By this very standby, perhaps, in the moment before it was restarted."""
    bench = Bench("standby-1")
    bench.hold()
    bench.blob.broken = True
    assert bench.run(bench.ownership.start(0, take_over=True)) is Ending.OWNED
    assert bench.ownership.broke_at_us is not None


def test_h15_a_primary_stands_back_from_a_broken_lease() -> None:
    bench = Bench()
    bench.hold()
    bench.blob.broken = True
    assert bench.run(bench.ownership.start(0)) is Ending.OWNED
    assert bench.now_us > 2 * SECOND_US


def test_a_standby_gives_way_when_the_etag_moves() -> None:
    bench = Bench("standby-1")
    start = bench.ownership.start(0, take_over=True, watched_etag="e0")
    assert bench.run(start) is Ending.ALIVE


def test_no_blob_and_no_metadata_of_ours() -> None:
    bench = Bench()
    bench.blob.metadata = (("colour", "blue"),)
    assert bench.run(bench.ownership.start(0)) is Ending.UNREADABLE
    assert "mp_version" in bench.ownership.detail
    bench.blob.exists = False
    assert bench.run(bench.ownership.start(bench.now_us)) is Ending.MISSING


def test_waiting_can_be_given_up_until_something_was_done() -> None:
    bench = Bench("standby-1")
    bench.hold()
    bench.run(bench.ownership.start(0, take_over=True), until_us=5 * SECOND_US)
    assert bench.ownership.give_up_waiting()
    assert bench.ownership.timer(bench.now_us) == []
    (head,) = bench.ownership.start(bench.now_us, take_over=True, break_lease=True)
    assert isinstance(head, Head)
    answer = bench.blob.apply(bench.now_us, head)
    assert isinstance(bench.ownership.handle(bench.now_us, answer)[0], Break)
    assert not bench.ownership.give_up_waiting()


def test_answers_of_an_earlier_attempt_are_dropped() -> None:
    bench = Bench()
    (first,) = bench.ownership.start(0)
    assert isinstance(first, Head)
    bench.ownership.start(0)
    assert bench.ownership.handle(0, Done(first.id)) == []
