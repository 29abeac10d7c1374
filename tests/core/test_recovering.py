"""What a standby mounts: the live blob, the pinned point, a size rolled forward, or nothing."""

import pytest
from msgspec.structs import replace

from engine.core.blob_metadata import BlobMetadata, Mark, parse_metadata
from engine.core.epochs import Order
from engine.core.messages import FailoverRequested
from engine.core.primary import Phase
from engine.core.settings import Fence, Mode
from engine.core.standby import Phase as StandbyPhase
from engine.core.standby import StandbyMachine
from engine.units import MIB, SECOND_US
from tests.core.site_pair import Plan, SitePair
from tests.core.test_site_pair import protected, run


def state(pair: SitePair) -> BlobMetadata:
    """What the blob says of itself."""
    return parse_metadata(pair.world.blob.metadata)


def resyncing() -> SitePair:
    """A primary that died in the middle of a resync."""
    pair = protected(Plan(Mode.ASYNC))
    for page in (0, 5, 10):
        pair.write(page, 1)
    run(pair, 0.1)
    pair.crash(power=False)
    pair.restart()
    soon = pair.world.now_us + 30 * SECOND_US
    assert pair.world.run(soon, lambda: pair.machine.phase is Phase.RESYNCING)
    pair.crash(power=False)
    return pair


def takes_over(pair: SitePair) -> bool:
    """Let the standby do what it will."""
    run(pair, 60)
    return pair.mounted is not None


@pytest.mark.parametrize("size", [6 * MIB, 10 * MIB, 20 * MIB])
@pytest.mark.parametrize("changes", range(1, 9))
def test_a_primary_that_dies_anywhere_in_a_resize_leaves_a_disk(size: int, changes: int) -> None:
    pair = protected(Plan(Mode.SYNC))
    pair.write()
    run(pair, 1)
    before = pair.world.blob.changes
    pair.resize(size)
    blob = pair.world.blob
    assert (
        pair.world.run(pair.world.now_us + SECOND_US, lambda: blob.changes == before + changes)
        or not state(pair).intent
    )
    pair.primary.dead = True
    begun = bool(state(pair).intent) or state(pair).volume_bytes == size
    assert takes_over(pair)
    assert pair.mounted is not None
    assert pair.mounted.size_bytes == (size if begun else 8 * MIB)
    assert state(pair).intent == ""


def test_p10_a_marked_blob_is_recovered_from_its_pin() -> None:
    pair = resyncing()
    assert state(pair).mark is Mark.RESYNC
    assert takes_over(pair)
    assert pair.mounted is not None
    assert pair.mounted.snapshot == state(pair).pin != ""


@pytest.mark.parametrize("mode", list(Mode))
def test_in_order_interval_the_closing_point_is_mounted(mode: Mode) -> None:
    pair = protected(Plan(mode, Order.INTERVAL))
    pair.write()
    run(pair, 3)
    pair.primary.dead = True
    assert takes_over(pair)
    assert pair.mounted is not None
    assert pair.mounted.snapshot == state(pair).pin != ""


def test_h3_a_doomed_pin_is_never_mounted() -> None:
    pair = resyncing()
    doomed = replace(state(pair), doomed=(state(pair).pin,))
    pair.world.applied = lambda _node, _command: None
    pair.world.blob.metadata = doomed.to_map()
    assert not takes_over(pair)
    assert "being deleted" in pair.standby_machine.reason


def test_a_pin_that_does_not_exist_is_refused() -> None:
    pair = resyncing()
    pair.world.applied = lambda _node, _command: None
    pair.world.blob.snapshots.clear()
    assert not takes_over(pair)
    assert "does not exist" in pair.standby_machine.reason


def test_a_standby_that_refused_stands_in_nobodys_way_and_may_be_asked_again() -> None:
    pair = resyncing()
    there = dict(pair.world.blob.snapshots)
    pair.world.applied = lambda _node, _command: None
    pair.world.blob.snapshots.clear()
    assert not takes_over(pair)
    pair.world.blob.snapshots.update(there)
    pair.standby.deliver(FailoverRequested(forced=False))
    assert takes_over(pair)


def test_an_intent_of_another_engine_is_refused_by_name() -> None:
    pair = protected(Plan(Mode.SYNC))
    run(pair, 1)
    pair.primary.dead = True
    pair.world.applied = lambda _node, _command: None
    pair.world.blob.metadata = replace(state(pair), intent="split:1:2").to_map()
    assert not takes_over(pair)
    assert "split:1:2" in pair.standby_machine.reason


@pytest.mark.parametrize("steps", range(1, 22))
@pytest.mark.parametrize("fence", list(Fence))
def test_a_failover_is_restartable_at_any_step(steps: int, fence: Fence) -> None:
    """The standby dies after so many events of its own; a new one is sent the same way."""
    pair = protected(Plan(Mode.SYNC, fence=fence))
    pair.write()
    run(pair, 1)
    pair.resize(20 * MIB)
    before = pair.world.blob.changes
    pair.world.run(pair.world.now_us + SECOND_US, lambda: pair.world.blob.changes == before + 3)
    pair.primary.dead = True
    machine = pair.standby_machine
    pair.world.run(
        pair.world.now_us + 60 * SECOND_US, lambda: machine.phase is StandbyPhase.FENCING
    )
    turn = pair.world.turn
    pair.world.run(pair.world.now_us + 60 * SECOND_US, lambda: pair.world.turn == turn + 3 * steps)
    pair.restart_standby(0)
    pair.standby.deliver(FailoverRequested(forced=False))
    assert takes_over(pair)
    assert pair.mounted is not None
    assert pair.mounted.size_bytes == 20 * MIB


@pytest.mark.parametrize("fence", list(Fence))
@pytest.mark.parametrize("seed", range(6))
def test_h10_of_two_standbys_one_wins_and_the_other_says_so(fence: Fence, seed: int) -> None:
    pair = protected(Plan(Mode.SYNC, fence=fence, standbys=2), seed)
    pair.write()
    run(pair, 1)
    pair.primary.dead = True
    assert takes_over(pair)
    phases = sorted(
        node.machine.phase for node in pair.standbys if isinstance(node.machine, StandbyMachine)
    )
    assert phases[0] == StandbyPhase.MOUNTED
    assert phases[1] == StandbyPhase.REFUSED
