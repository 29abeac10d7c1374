"""Straight runs of both sites in a healthy world: protect, write, stop, restart, fail over."""

from dataclasses import replace

import pytest

from engine.core.blob_metadata import parse_metadata
from engine.core.epochs import Order
from engine.core.messages import (
    EIO,
    FailoverRequested,
    HeartbeatHeard,
    LeaseState,
    LocalFailed,
)
from engine.core.primary import Phase
from engine.core.settings import Fence, Mode
from engine.core.standby import Phase as StandbyPhase
from engine.units import SECOND_US
from tests.core.site_pair import Plan, SitePair
from tests.core.world import HEALTHY, Faults

KINDS = [(mode, order) for mode in Mode for order in Order]


def protected(plan: Plan, seed: int = 1) -> SitePair:
    pair = SitePair(seed, plan)
    pair.start()
    pair.run_until_protected()
    return pair


def run(pair: SitePair, seconds: float) -> None:
    pair.world.run(pair.world.now_us + int(seconds * SECOND_US))


@pytest.mark.parametrize(("mode", "order"), KINDS)
def test_protects_a_volume_and_follows_its_writes(mode: Mode, order: Order) -> None:
    pair = protected(Plan(mode, order))
    for _ in range(20):
        pair.write()
        pair.zero()
        pair.flush()
        run(pair, 0.01)
    run(pair, 2)
    assert pair.unanswered() == []
    assert pair.image() == pair.volume.pages
    assert pair.acknowledged == 60


@pytest.mark.parametrize(("mode", "order"), KINDS)
@pytest.mark.parametrize("fence", list(Fence))
def test_fails_over_after_the_primary_is_killed(mode: Mode, order: Order, fence: Fence) -> None:
    pair = protected(Plan(mode, order, fence))
    for _ in range(8):
        pair.write()
    run(pair, 0.02)
    pair.primary.dead = True
    run(pair, 60)
    assert pair.mounted is not None
    assert pair.mounted.term == 2


def test_stops_in_order_and_starts_again_without_seeding() -> None:
    pair = protected(Plan(Mode.ASYNC))
    pair.write()
    pair.flush()
    pair.stop()
    run(pair, 2)
    assert pair.machine.phase is Phase.STOPPED
    assert pair.unanswered() == []
    assert pair.image() == pair.volume.pages
    pair.restart()
    pair.run_until_protected()
    run(pair, 20)
    assert pair.mounted is None


# ── the standby ───────────────────────────────────────────────────────────────────────────────


def notes(pair: SitePair) -> list[str]:
    """Names of what the standby notes from now on."""
    seen: list[str] = []
    pair.standby.noted = lambda note: seen.append(note.name)
    return seen


def test_h32_a_volume_that_is_seeding_is_refused_and_fenced_by_nobody() -> None:
    pair = SitePair(3, Plan(Mode.SYNC))
    pair.primary.cut = False
    seen = notes(pair)
    pair.start()
    pair.world.run(600_000, lambda: pair.machine.phase is Phase.SEEDING)
    run(pair, 0.001)
    pair.primary.dead = True
    run(pair, 30)
    assert "refused" in seen
    assert "fencing" not in seen
    assert pair.standby_machine.reason.startswith("seeding")


def test_lost_heartbeats_alone_are_a_false_alarm_while_the_primary_writes() -> None:
    pair = protected(Plan(Mode.SYNC))
    seen = notes(pair)
    pair.heartbeats_lost = True
    for _ in range(60):
        pair.write()
        run(pair, 0.5)
    assert "false-alarm" in seen
    assert pair.mounted is None
    assert pair.machine.phase is Phase.RUNNING


@pytest.mark.parametrize("ends", ["heartbeat", "orderly stop"])
def test_a_standby_that_only_waits_for_the_lease_gives_way(ends: str) -> None:
    """A primary with nothing to write looks dead until it is heard again."""
    pair = protected(Plan(Mode.SYNC))
    pair.heartbeats_lost = True
    run(pair, 12)
    assert pair.standby_machine.phase is StandbyPhase.FENCING
    pair.heartbeats_lost = False
    run(pair, 0.6)
    if ends == "orderly stop":
        pair.stop()
    run(pair, 40)
    assert pair.mounted is None
    assert pair.standby_machine.phase in (StandbyPhase.WATCHING, StandbyPhase.WAITING)


def test_a_live_primary_is_not_pre_empted_unless_forced() -> None:
    pair = protected(Plan(Mode.SYNC))
    run(pair, 2)
    seen = notes(pair)
    pair.standby.deliver(FailoverRequested(forced=False))
    run(pair, 2)
    assert seen == ["failover-ignored"]
    pair.standby.deliver(FailoverRequested(forced=True))
    pair.standby.deliver(HeartbeatHeard(99))
    run(pair, 40)
    assert pair.mounted is not None
    assert pair.machine.phase is Phase.DEMOTED
    assert pair.primary.dead is False


@pytest.mark.parametrize("mode", list(Mode))
def test_h11_after_a_break_the_mount_waits_where_acknowledgements_need_no_store(
    mode: Mode,
) -> None:
    pair = protected(Plan(mode))
    run(pair, 2)
    asked = pair.world.now_us
    pair.standby.deliver(FailoverRequested(forced=True))
    pair.world.run(asked + 60 * SECOND_US, lambda: pair.mounted is not None)
    assert (pair.world.now_us - asked > 15 * SECOND_US) == (mode is not Mode.SYNC)


def test_h9_a_mounted_standby_whose_lease_lapsed_takes_it_up_without_mounting_again() -> None:
    pair = protected(Plan(Mode.SYNC))
    pair.primary.dead = True
    run(pair, 60)
    assert pair.mounted is not None
    pair.standby.paused = True
    run(pair, 40)
    pair.standby.wake()
    run(pair, 40)
    assert pair.standby_machine.phase is StandbyPhase.MOUNTED
    assert pair.world.blob.lease_state(pair.world.now_us) is LeaseState.LEASED


def test_without_a_heartbeat_ever_only_an_operator_fails_over() -> None:
    pair = SitePair(5, Plan(Mode.SYNC))
    pair.heartbeats_lost = True
    pair.start()
    pair.run_until_protected()
    pair.primary.dead = True
    run(pair, 60)
    assert pair.standby_machine.phase is StandbyPhase.WAITING
    pair.standby.deliver(FailoverRequested(forced=False))
    run(pair, 30)
    assert pair.mounted is not None


# ── the primary ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", list(Mode))
def test_a_paused_primary_wakes_up_silent_and_is_demoted(mode: Mode) -> None:
    pair = protected(Plan(mode))
    pair.write()
    pair.primary.paused = True
    ops = [pair.write(), pair.flush()]
    run(pair, 60)
    assert pair.mounted is not None
    before = (pair.world.blob.version, dict(pair.world.blob.pages))
    pair.primary.wake()
    run(pair, 10)
    assert pair.machine.phase is Phase.DEMOTED
    assert (pair.world.blob.version, pair.world.blob.pages) == before
    assert [pair.entries[op].error for op in ops] == [EIO, EIO]


def test_a_lapsed_lease_is_taken_up_again_and_nothing_is_lost() -> None:
    pair = protected(Plan(Mode.ASYNC))
    pair.standby.dead = True
    pair.write()
    pair.primary.cut = True
    held = pair.write()
    run(pair, 30)
    assert pair.machine.status(pair.world.now_us).protected is False
    later = pair.write()
    run(pair, 1)
    assert later in pair.unanswered(), "no acknowledgement without authority"
    pair.primary.cut = False
    run(pair, 30)
    assert pair.machine.phase is Phase.RUNNING
    assert held not in pair.unanswered()
    assert pair.unanswered() == []
    assert pair.image() == pair.volume.pages


def test_asynchronous_acknowledgements_stop_at_the_lag_bound() -> None:
    pair = protected(Plan(Mode.ASYNC, max_lag_bytes=1024))
    pair.world.faults = Faults(unreachable=1.0)
    for page in (0, 1, 2, 3):
        pair.write(page, 1)
        run(pair, 0.01)
    assert len(pair.unanswered()) == 2
    assert pair.machine.status(pair.world.now_us).operations_held == 2
    pair.world.faults = HEALTHY
    run(pair, 5)
    assert pair.unanswered() == []


def test_an_unclean_start_is_refused_and_reseeding_makes_it_whole() -> None:
    pair = protected(Plan(Mode.SYNC))
    pair.standby.dead = True
    pair.primary.dead = True
    pair.write_behind(0)
    pair.restart(bitmap=False)
    run(pair, 20)
    assert pair.machine.phase is Phase.REFUSED
    assert "--reseed" in pair.machine.reason
    pair.restart(reseed=True)
    pair.run_until_protected()
    assert pair.image() == pair.volume.pages


def test_writes_before_a_clean_start_owns_the_blob_reach_it() -> None:
    pair = protected(Plan(Mode.ASYNC))
    pair.stop()
    run(pair, 2)
    assert pair.stopped_etag
    pair.restart()
    op = pair.write()
    run(pair, 0.0001)
    assert op in pair.unanswered()
    pair.run_until_protected()
    run(pair, 3)
    assert pair.unanswered() == []
    assert pair.image() == pair.volume.pages


def test_writes_after_the_etag_was_recorded_are_turned_away() -> None:
    pair = protected(Plan(Mode.ASYNC))
    pair.stop()
    op = pair.write()
    assert pair.entries[op].error == EIO
    run(pair, 2)
    assert pair.image() == pair.volume.pages


def test_a_clean_start_in_another_mode_declares_it_before_it_promises() -> None:
    pair = protected(Plan(Mode.SYNC))
    pair.stop()
    run(pair, 2)
    pair.plan = replace(pair.plan, mode=Mode.ASYNC)
    pair.restart()
    pair.run_until_protected()
    assert parse_metadata(pair.world.blob.metadata).mode is Mode.ASYNC


def test_a_local_error_is_told_and_seeding_goes_on() -> None:
    pair = SitePair(7, Plan(Mode.SYNC, at_once=False))
    pair.start()
    pair.world.run(SECOND_US, lambda: pair.machine.phase is Phase.SEEDING)
    op = pair.write(page=0, pages=1)
    pair.primary.deliver(LocalFailed(op, 28))
    assert pair.entries[op].error == 28
    pair.run_until_protected()


def test_an_unanswered_create_is_tried_again() -> None:
    pair = SitePair(8, Plan(Mode.SYNC))
    pair.world.faults = Faults(lost=1.0)
    pair.start()
    run(pair, 0.5)
    pair.world.faults = HEALTHY
    pair.run_until_protected()
