"""The bounds in seconds and bytes: acknowledgements stop in time, in every phase, and go on."""

from dataclasses import replace

import pytest

from engine.core.primary import Phase
from engine.core.settings import Mode
from engine.units import PAGE_BYTES, SECOND_US
from tests.core.site_pair import Plan, SitePair

ASYNC = Plan(Mode.ASYNC, max_lag_us=4 * SECOND_US, max_lag_bytes=64 * PAGE_BYTES)


def protected(plan: Plan) -> SitePair:
    pair = SitePair(7, plan)
    pair.start()
    pair.run_until_protected()
    return pair


def run(pair: SitePair, seconds: float) -> None:
    pair.world.run(pair.world.now_us + int(seconds * SECOND_US))


def acknowledged(pair: SitePair) -> list[int]:
    return [op for op, entry in pair.entries.items() if entry.completed and not entry.error]


def test_past_half_the_time_nothing_is_acknowledged_past_it_nothing_is_protected() -> None:
    pair = protected(ASYNC)
    pair.primary.cut = True
    first = pair.write()
    run(pair, 1)
    in_time = pair.write()
    run(pair, 1.5)
    late = pair.write()
    run(pair, 1)
    assert pair.machine.status(pair.world.now_us).protected
    assert {first, in_time} <= set(acknowledged(pair))
    assert late in pair.unanswered()
    run(pair, 1)
    status = pair.machine.status(pair.world.now_us)
    assert not status.protected
    assert status.lag_us > ASYNC.max_lag_us
    pair.primary.cut = False
    run(pair, 10)
    assert pair.unanswered() == []
    assert pair.machine.status(pair.world.now_us).protected


def test_what_is_acknowledged_and_not_in_the_blob_never_passes_the_bound_in_bytes() -> None:
    pair = protected(ASYNC)
    pair.primary.cut = True
    for place in range(40):
        pair.write(place * 8, 3)
        run(pair, 0.01)
    lacking = sum(3 * PAGE_BYTES for op in acknowledged(pair))
    assert 0 < lacking <= ASYNC.max_lag_bytes
    assert pair.unanswered()
    pair.primary.cut = False
    run(pair, 20)
    assert pair.unanswered() == []


@pytest.mark.parametrize("mode", [Mode.ASYNC, Mode.SYNC_ON_FLUSH])
def test_the_bound_in_bytes_holds_while_the_last_of_a_copy_is_under_way(mode: Mode) -> None:
    pair = SitePair(3, replace(ASYNC, mode=mode))
    pair.start()
    most = 0
    for place in range(400):
        pair.write(place * 8 % 256, 3)
        run(pair, 0.002)
        if pair.machine.phase is Phase.RUNNING:
            break
        queued = pair.machine.status(pair.world.now_us).lag_bytes
        waiting = 3 * PAGE_BYTES * len(pair.unanswered())
        most = max(most, queued - waiting)
    assert pair.machine.phase is Phase.RUNNING
    assert most <= ASYNC.max_lag_bytes
    run(pair, 20)
    assert pair.unanswered() == []
