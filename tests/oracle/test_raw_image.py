"""From bytes and lines to the fact that the judge of crash-consistent is given."""

from harness.judge.raw_image import judge_recovered
from harness.oracle.loss import LossRule
from harness.oracle.pages import encode_pages

SIZE = 1 << 20
LINES = [
    (1.0, "ready"),
    (1.1, "inv 1 0 1024"),
    (1.2, "done 1"),
    (1.3, "inv 2 4096 512"),
    (1.4, "done 2"),
    (1.5, "inv 3 8192 512"),
]


def judged(chunks: list[tuple[int, bytes]], mode: str = "async") -> dict[str, object]:
    rule = LossRule("sync" if mode == "sync" else "async", failed_s=2.0, rpo_s=5.0)
    fact = judge_recovered(
        chunks=chunks,
        size_bytes=SIZE,
        volume=1,
        lines=LINES,
        order="strict",
        rule=rule,
        evidence="evidence/history.txt",
    )
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


def test_a_legal_image_gives_an_admissible_fact_with_its_figures() -> None:
    fact = judged([(0, encode_pages(1, 1, 0, 2))])
    assert fact["verdict"] == "admissible"
    assert (fact["pages_checked"], fact["pages_written"]) == (2048, 2)
    assert (fact["writes_invoked"], fact["writes_completed"]) == (3, 2)
    assert (fact["in_flight_at_kill"], fact["lost_writes"], fact["lost_bytes"]) == (1, 1, 512)
    assert fact["oldest_lost_age_s"] == 2.0 - 1.4
    assert fact["evidence"] == "evidence/history.txt"


def test_order_and_loss_are_told_apart() -> None:
    stale = judged([(4096, encode_pages(1, 2, 8, 1))])
    assert stale["verdict"] == "finding"
    assert stale["story"]
    missing = judged([(0, encode_pages(1, 1, 0, 2))], mode="sync")
    assert missing["verdict"] == "admissible"
    assert missing["loss_story"]


def test_lines_that_are_no_history_are_unusable() -> None:
    fact = judge_recovered(
        chunks=[],
        size_bytes=SIZE,
        volume=1,
        lines=[(1.0, "done 4")],
        order="strict",
        rule=LossRule("sync", 2.0),
    )
    assert fact.verdict == "unusable"
    assert "not in flight" in fact.reason
