"""Merging chunk reports: the order in which they come makes no difference."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from harness.explore.chunk import DIGEST_BYTES, ChunkReport, Sighting
from harness.explore.tally import Tally


def report(first: int, count: int, *sightings: Sighting) -> ChunkReport:
    digests = b"".join(seed.to_bytes(DIGEST_BYTES, "big") for seed in range(first, first + count))
    return ChunkReport(
        first=first, count=count, digests=digests, exercised={"live": count}, fired={"kill": first},
        sightings=list(sightings), steps=count, store_requests=count, events=count, twice=0,
    )  # fmt: skip


def sighting(seed: int, weight: int) -> Sighting:
    return Sighting(seed=seed, claim="live", cause="x", text=f"{seed}", easiest=seed, weight=weight)


def test_reports_in_any_order_give_the_same() -> None:
    seen_twice = [report(0, 2, sighting(1, 9)), report(2, 3, sighting(3, 4))]
    reports = [*seen_twice, report(5, 1), report(6, 2)]
    seen = set()
    for order in permutations(reports):
        tally = Tally(0)
        for one in order:
            tally.add(one)
        seen.add((tally.digest, tuple(tally.exercised.items()), repr(tally.sightings)))
    assert len(seen) == 1
    (kept,) = tally.sightings
    assert (kept.seed, kept.text, kept.easiest, kept.weight, kept.times) == (1, "1", 3, 4, 2)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_the_digest_does_not_depend_on_where_chunks_are_cut(
    counts: list[int], data: st.DataObject
) -> None:
    total = sum(counts)
    whole, cut = Tally(0), Tally(0)
    whole.add(report(0, total))
    starts = [sum(counts[:at]) for at in range(len(counts))]
    for at in data.draw(st.permutations(range(len(counts)))):
        cut.add(report(starts[at], counts[at]))
    assert cut.digest == whole.digest
    assert cut.disasters == total


def test_a_seed_that_killed_its_worker_does_not_hold_back_the_digest() -> None:
    with_gap, dead = Tally(0), Tally(0)
    for tally in (with_gap, dead):
        tally.add(report(0, 1))
        tally.add(report(2, 1))
    dead.add_dead(1, "signal 9")
    assert dead.digest != with_gap.digest
    assert dead.disasters == 3
