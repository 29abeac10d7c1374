"""From a recovered image and the guest's lines to the fact that crash-consistent is judged by."""

import time
from collections.abc import Iterable

from harness.judge.facts import Order, RawImageJudgement
from harness.oracle.admissible import Judgement, judge_image
from harness.oracle.history import History, HistoryError, read_history
from harness.oracle.loss import LossRule
from harness.oracle.pages import decode_chunks

__all__ = ["judge_recovered"]


def judge_recovered(
    *,
    chunks: Iterable[tuple[int, bytes]],
    size_bytes: int,
    volume: int,
    lines: Iterable[tuple[float, str]],
    order: Order,
    rule: LossRule,
    evidence: str = "",
) -> RawImageJudgement:
    """Decode and judge a recovered raw image.

    `chunks` are (offset, bytes) of whole pages, footer excluded; what is missing reads zero.
    `lines` are the guest's, with the seconds at which they were read, on the clock of
    `rule.failed_s`; a last line without its end must be left out.
    """
    shown = decode_chunks(chunks, volume, size_bytes)
    began = time.perf_counter()
    try:
        history = read_history(lines)
        judgement = judge_image(shown, history, order, rule)
    except HistoryError as error:
        history, judgement = History(), Judgement(unusable=str(error), pages_checked=len(shown))
    return _as_fact(judgement, history, time.perf_counter() - began, evidence)


def _as_fact(
    judgement: Judgement, history: History, seconds: float, evidence: str
) -> RawImageJudgement:
    finding, missing = judgement.finding, judgement.loss_finding
    return RawImageJudgement(
        verdict="unusable" if judgement.unusable else "finding" if finding else "admissible",
        reason=judgement.unusable,
        story=list(finding.story) if finding else [],
        loss_story=list(missing.story) if missing else [],
        pages_checked=judgement.pages_checked,
        pages_written=judgement.pages_written,
        writes_invoked=len(history.writes),
        writes_completed=history.completed(),
        writes_demanded=judgement.writes_demanded,
        in_flight_at_kill=history.in_flight(),
        lost_writes=judgement.loss.writes,
        lost_bytes=judgement.loss.bytes,
        oldest_lost_age_s=judgement.loss.oldest_age_s,
        oracle_seconds=seconds,
        evidence=evidence,
    )
