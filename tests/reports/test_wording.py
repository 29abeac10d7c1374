"""Numbers and sentences as the page writes them."""

import msgspec
import pytest

from harness.evidence import ClaimResult, Verdict
from reports import wording
from tests.reports.sample_run import sample_record, with_claim


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [(0, "0 ms"), (0.0405, "40 ms"), (6.4, "6.40 s"), (60, "1 min 0 s"), (167.4, "2 min 47 s")],
)
def test_durations(duration_s: float, said: str) -> None:
    assert wording.seconds(duration_s) == said


@pytest.mark.parametrize(
    ("count_bytes", "said"),
    [(0, "0 B"), (1023, "1023 B"), (67_108_864, "64 MiB"), (1_610_612_736, "1.5 GiB")],
)
def test_sizes(count_bytes: int, said: str) -> None:
    assert wording.size(count_bytes) == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rto.failed_at_s", 11.25, ("rto · failed at", "11.25 s")),
        ("direct_write.replicated_bytes", 1024, ("direct write · replicated", "1 KiB")),
        ("ledger.entry_in_flight", True, ("ledger · entry in flight", "yes")),
        ("ledger.acked", 12345, ("ledger · acked", "12,345")),
        ("ratio", 0.123456, ("ratio", "0.1235")),
        ("fence.old_primary_said", "", ("fence · old primary said", "none")),
    ],
)
def test_facts(name: str, value: float | str | bool, said: tuple[str, str]) -> None:
    assert wording.fact(name, value) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-22T22:33:51+00:00", "22 November 2026, 22:33 UTC"),
        ("2026-11-22T22:33:51Z", "22 November 2026, 22:33 UTC"),
        ("2026-11-22T22:33:51+05:30", "22 November 2026, 22:33 +0530"),
        ("yesterday", "yesterday"),
    ],
)
def test_instants(text: str, said: str) -> None:
    assert wording.instant(text) == said


def test_lists_and_counts() -> None:
    assert wording.joined([]) == ""
    assert wording.joined(["a"]) == "a"
    assert wording.joined(["a", "b", "c"]) == "a, b and c"
    assert wording.plural(1, "kill") == "1 kill"
    assert wording.plural(2, "primary", "primaries") == "2 primaries"


def test_several_broken_promises_are_counted_in_the_headline() -> None:
    record = sample_record()
    for name in ("rpo", "rto"):
        broken = ClaimResult(name, Verdict.VIOLATED, "", "", 1, "lost", ["evidence/x"])
        record = with_claim(record, broken)
    assert wording.headline(record) == "2 promises were broken"


def test_a_single_demanded_promise_is_told_in_the_singular() -> None:
    record = sample_record()
    record = msgspec.structs.replace(record, claims=record.claims[:1], trials=record.trials[:1])
    assert wording.what_came_of_it(record) == (
        "The one promise that the profile “first” demands held."
    )
    assert "1 disaster: 1 kill of the primary site" in wording.what_was_done(record)


def test_a_run_in_which_nothing_counts_says_so() -> None:
    record = msgspec.structs.replace(sample_record(), trials=[])
    assert wording.what_was_done(record).startswith("No disaster of this run")
