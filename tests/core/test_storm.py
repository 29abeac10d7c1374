"""Random storms with every kind of fault: safety at each step, rest at the end."""

from collections import Counter

import pytest

from tests.core.storm import Storm, outcome

SEEDS_PER_PART = 200


@pytest.mark.parametrize("part", range(4))
def test_every_storm_keeps_every_promise_and_ends_in_rest(part: int) -> None:
    outcomes: Counter[str] = Counter()
    acknowledged = 0
    for seed in range(part * SEEDS_PER_PART, (part + 1) * SEEDS_PER_PART):
        storm = Storm(seed)
        storm.run()
        outcomes[outcome(storm)] += 1
        acknowledged += storm.pair.acknowledged
    # A storm in which nothing happens proves nothing.
    assert outcomes["mounted"] > SEEDS_PER_PART // 4
    assert outcomes["protected"] > SEEDS_PER_PART // 5
    assert acknowledged > 4 * SEEDS_PER_PART


def test_a_seed_decides_everything() -> None:
    first, second = Storm(11), Storm(11)
    first.run()
    second.run()
    assert first.pair.world.now_us == second.pair.world.now_us
    assert first.pair.world.turn == second.pair.world.turn
    assert first.pair.world.blob == second.pair.world.blob
