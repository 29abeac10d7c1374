"""Straight runs of both sites in a healthy world: protect, write, stop, restart, fail over."""

import pytest

from engine.core.epochs import Order
from engine.core.primary import Phase
from engine.core.settings import Fence, Mode
from engine.units import SECOND_US
from tests.core.site_pair import Plan, SitePair

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
