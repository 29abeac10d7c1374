"""Hand-written histories and images, legal and illegal, with the story that is told."""

import numpy as np
import pytest

from harness.oracle.admissible import Judgement, judge_image
from harness.oracle.history import History, Order, read_history
from harness.oracle.loss import LossRule, Mode
from harness.oracle.pages import FOREIGN, TORN

NOTHING_OWED = LossRule("async", failed_s=0.0)


def history(*lines: str) -> History:
    return read_history((float(second), line) for second, line in enumerate(lines))


def judge(
    image: list[int], lines: list[str], order: Order = "strict", rule: LossRule = NOTHING_OWED
) -> Judgement:
    return judge_image(np.array(image, dtype=np.int64), history(*lines), order, rule)


def write(number: int, page: int, pages: int = 1, kind: str = "") -> str:
    return f"inv {number} {page * 512} {pages * 512} {kind}".strip()


ONE_AFTER_THE_OTHER = [write(1, 0), "done 1", write(2, 1), "done 2"]
TOGETHER = [write(1, 0), write(2, 1), "done 1", "done 2"]
FLUSHED_BETWEEN = [write(1, 0), "done 1", "flush 1", "flushed 1", write(2, 1), "done 2"]
FORCED = [write(1, 0, kind="fua"), "done 1", write(2, 1), "done 2"]
LATE_FLUSH = [write(1, 0), "flush 1", "done 1", "flushed 1", write(2, 1), "done 2"]
TRIMMED = [write(1, 0), "done 1", write(2, 0, kind="zero"), "done 2", write(3, 1), "done 3"]
PARTLY = [write(1, 0, 3), "done 1"]

LEGAL: list[tuple[str, list[int], list[str], Order]] = [
    ("nothing has landed", [0, 0], ONE_AFTER_THE_OTHER, "strict"),
    ("the first has landed", [1, 0], ONE_AFTER_THE_OTHER, "strict"),
    ("both have landed", [1, 2], ONE_AFTER_THE_OTHER, "strict"),
    ("in flight together, the second alone", [0, 2], TOGETHER, "strict"),
    ("only flushes order", [0, 2], ONE_AFTER_THE_OTHER, "flush"),
    ("a flush begun before the completion covers nothing", [0, 2], LATE_FLUSH, "flush"),
    ("the last one in part", [0, 1, 0], PARTLY, "strict"),
    ("trimmed", [0, 3], TRIMMED, "strict"),
    ("before the trim", [1, 0], TRIMMED, "strict"),
    ("in flight at the kill", [1], [write(1, 0)], "strict"),
    ("an error that landed", [1], [write(1, 0), "fail 1 5"], "strict"),
]


@pytest.mark.parametrize(("what", "image", "lines", "order"), LEGAL, ids=[c[0] for c in LEGAL])
def test_legal_images_are_accepted(
    what: str, image: list[int], lines: list[str], order: Order
) -> None:
    assert judge(image, lines, order).admissible, what


ILLEGAL: list[tuple[str, list[int], list[str], Order, str, int]] = [
    ("the later one alone", [0, 2], ONE_AFTER_THE_OTHER, "strict", "stale", 0),
    ("across a flush", [0, 2], FLUSHED_BETWEEN, "flush", "stale", 0),
    ("FUA is settled by itself", [0, 2], FORCED, "flush", "stale", 0),
    ("older than a trim", [1, 3], TRIMMED, "strict", "stale", 0),
    (
        "a page of it is missing",
        [1, 0, 2],
        [write(1, 0, 2), "done 1", write(2, 2)],
        "strict",
        "stale",
        1,
    ),
    ("torn", [1, TORN], ONE_AFTER_THE_OTHER, "strict", "torn", 1),
    ("from elsewhere", [FOREIGN, 0], ONE_AFTER_THE_OTHER, "strict", "foreign", 0),
    ("a write that went elsewhere", [2, 0], ONE_AFTER_THE_OTHER, "strict", "invented", 0),
    ("a page past its end", [1, 1], ONE_AFTER_THE_OTHER, "strict", "invented", 1),
    ("data of a trim", [0, 2], [write(1, 0), write(2, 1, kind="zero")], "strict", "invented", 1),
    ("too short", [1], ONE_AFTER_THE_OTHER, "strict", "size", 1),
]


@pytest.mark.parametrize(
    ("what", "image", "lines", "order", "kind", "page"), ILLEGAL, ids=[c[0] for c in ILLEGAL]
)
def test_illegal_images_are_found_out(
    what: str, image: list[int], lines: list[str], order: Order, kind: str, page: int
) -> None:
    finding = judge(image, lines, order).finding
    assert finding is not None, what
    assert (finding.kind, finding.page) == (kind, page)
    assert finding.story


def test_a_zero_page_read_as_a_later_trim_demands_what_came_before_that_trim() -> None:
    lines = [
        write(1, 0), "done 1",
        write(2, 1), "done 2",
        write(3, 0, kind="zero"), "done 3",
        write(4, 2), "done 4",
    ]  # fmt: skip
    # page 2 shows write 4: page 0 is read as trim 3, and write 2 came before it
    assert judge([0, 2, 4], lines).admissible
    finding = judge([0, 0, 4], lines).finding
    assert finding is not None
    assert (finding.kind, finding.page, finding.expected) == ("stale", 1, "write 2 or newer")


def test_raising_a_floor_can_raise_another_one() -> None:
    lines = [
        write(1, 0), "done 1",  # floor of page 0, once write 2 is seen
        write(2, 1),  # seen; stays in flight
        write(3, 2), "done 3",
        write(4, 0, kind="zero"),  # the only reading of page 0 left: invoked after write 3
    ]  # fmt: skip
    finding = judge([0, 2, 0], lines).finding
    assert finding is not None
    assert (finding.page, finding.expected) == (2, "write 3 or newer")
    assert judge([0, 2, 3], lines).admissible
    assert judge([1, 2, 0], lines).admissible


def test_the_story_names_both_writes_the_flush_and_the_page() -> None:
    finding = judge([0, 2], FLUSHED_BETWEEN, "flush").finding
    assert finding is not None
    assert finding.story == (
        "write 1 (1 page at page 0) was acknowledged at 1.000 s.",
        "Flush 1 after it completed at 3.000 s.",
        "The image shows write 2 (1 page at page 1), which was invoked after that.",
        "But page 0 (byte 0) shows zeroes, which is older.",
    )


OWED: list[tuple[Mode, float, list[int], bool]] = [
    ("sync", 0.0, [1, 2], True),
    ("sync", 0.0, [1, 0], False),
    ("sync-on-flush", 0.0, [1, 0], True),
    ("sync-on-flush", 0.0, [0, 0], False),
    ("async", 1.0, [1, 0], False),
    ("async", 3.0, [1, 0], True),
    ("async", 3.0, [0, 0], False),
    ("async", 20.0, [0, 0], True),
]


@pytest.mark.parametrize(("mode", "rpo", "image", "kept"), OWED)
def test_what_the_mode_owes_must_be_there(
    mode: Mode, rpo: float, image: list[int], kept: bool
) -> None:
    rule = LossRule(mode, failed_s=7.5, rpo_s=rpo)
    judged = judge(image, FLUSHED_BETWEEN, "flush", rule)
    assert judged.finding is None
    assert judged.admissible == kept
    if not kept:
        assert judged.loss_finding is not None
        assert judged.loss_finding.kind == "lost"
        assert "promises that it is not lost" in " ".join(judged.loss_finding.story)


def test_nothing_is_owed_from_before_the_protection() -> None:
    rule = LossRule("sync", failed_s=7.5, protected_s=4.5)
    assert judge([0, 0], ONE_AFTER_THE_OTHER[:2] + ["x"] * 4, rule=rule).admissible
    assert not judge([0, 0], ["x"] * 4 + ONE_AFTER_THE_OTHER, rule=rule).admissible


def test_the_loss_is_measured_in_writes_bytes_and_seconds() -> None:
    lines = [write(1, 0), "done 1", write(2, 1, 3), "done 2", write(3, 9), "done 3", write(4, 5)]
    rule = LossRule("async", failed_s=8.0, rpo_s=60)
    judged = judge([1] + [0] * 11, lines, rule=rule)
    assert judged.admissible
    loss = judged.loss
    assert (loss.writes, loss.bytes, loss.oldest_age_s, loss.oldest_write) == (2, 2048, 5.0, 2)
    whole = judge([1, 2, 2, 2] + [0] * 5 + [3, 0, 0], lines, rule=rule)
    assert (whole.loss.writes, whole.loss.oldest_age_s) == (0, 0.0)
    trimmed = judge([0, 3], TRIMMED, rule=rule)
    assert trimmed.loss.writes == 0


def test_an_unannounced_write_makes_the_history_unusable_not_the_image_bad() -> None:
    judged = judge([1, 9], ONE_AFTER_THE_OTHER)
    assert "announcements were lost" in judged.unusable
    assert judged.finding is None
    assert not judged.admissible


def test_a_workload_that_wrote_nothing_proves_nothing() -> None:
    assert judge([0, 0], ["ready"]).unusable
    idle = judge([0, 0], ONE_AFTER_THE_OTHER)
    assert (idle.admissible, idle.writes_demanded) == (True, 0)
    assert judge([1, 2], ONE_AFTER_THE_OTHER).writes_demanded == 1
