"""The fast judge and the brute-force one agree on every small history and image."""

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from harness.oracle.admissible import judge_image
from harness.oracle.history import History, Order, read_history
from harness.oracle.loss import LossRule, Mode
from tests.oracle import brute_force

PAGES = 4
RULES = st.tuples(
    st.sampled_from(["sync", "sync-on-flush", "async"]), st.integers(0, 12), st.integers(0, 12)
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to 8 writes, trims and FUA writes with flushes; overlapping ones never in flight."""
    lines: list[str] = []
    flying: dict[int, tuple[int, int]] = {}
    numbers = flushes = 0
    flushing: list[int] = []
    for _ in range(draw(st.integers(1, 22))):
        step = draw(st.sampled_from(["inv", "inv", "done", "done", "fail", "flush", "flushed"]))
        if step == "inv" and numbers < 8:
            first = draw(st.integers(0, PAGES - 1))
            end = draw(st.integers(first + 1, PAGES))
            if any(first < other_end and other < end for other, other_end in flying.values()):
                continue
            numbers += 1
            flying[numbers] = (first, end)
            kind = draw(st.sampled_from(["", "", "", " zero", " fua"]))
            lines.append(f"inv {numbers} {first * 512} {(end - first) * 512}{kind}")
        elif step == "done" and flying:
            number = draw(st.sampled_from(sorted(flying)))
            del flying[number]
            lines.append(f"done {number}")
        elif step == "flush":
            flushes += 1
            flushing.append(flushes)
            lines.append(f"flush {flushes}")
        elif step == "flushed" and flushing:
            flush = draw(st.sampled_from(flushing))
            flushing.remove(flush)
            lines.append(f"flushed {flush}")
    return read_history((float(second), line) for second, line in enumerate(lines))


@st.composite
def cases(draw: st.DrawFn) -> tuple[History, list[int]]:
    """A history and an image that provenance allows."""
    history = draw(histories())
    image = []
    for page in range(PAGES):
        covering = [
            w.number
            for w in history.writes
            if w.first_page <= page < w.end_page and w.kind != "zero"
        ]
        image.append(draw(st.sampled_from([0, *covering])))
    return history, image


@settings(max_examples=600, deadline=None)
@given(case=cases(), order=st.sampled_from(["strict", "flush"]), rule=RULES)
def test_fast_judge_agrees_with_every_reading_tried(
    case: tuple[History, list[int]], order: Order, rule: tuple[Mode, int, int]
) -> None:
    history, image = case
    mode, failed, rpo = rule
    loss_rule = LossRule(mode, float(failed), float(rpo))
    judged = judge_image(np.array(image, dtype=np.int64), history, order, loss_rule)
    if not history.writes:
        assert judged.unusable
        return
    consistent = brute_force.admissible(image, history, order, set())
    complete = brute_force.admissible(image, history, order, brute_force.owed(history, loss_rule))
    event(f"consistent {consistent}, complete {complete}")
    assert (judged.finding is None) == consistent
    assert judged.admissible == complete
    if not judged.admissible:
        finding = judged.finding or judged.loss_finding
        assert finding is not None
        assert len(finding.story) >= 2


@settings(max_examples=200, deadline=None)
@given(history=histories(), order=st.sampled_from(["strict", "flush"]), data=st.data())
def test_every_real_crash_of_a_disk_is_accepted(
    history: History, order: Order, data: st.DataObject
) -> None:
    """Land any set of writes that is closed under the order; those that none needs, in part."""
    if not history.writes:
        return
    landed: set[int] = set()
    for write in history.writes:
        needed = {
            w.number
            for w in history.writes
            if brute_force.settled_before(history, order, w.number, write.number)
        }
        if needed <= landed and data.draw(st.booleans()):
            landed.add(write.number)
    image = [0] * PAGES
    for number in sorted(landed):
        write = history.writes[number - 1]
        needed_whole = any(
            brute_force.settled_before(history, order, number, later) for later in landed
        )
        for page in range(write.first_page, write.end_page):
            if needed_whole or data.draw(st.booleans()):
                image[page] = 0 if write.kind == "zero" else number
    rule = LossRule("async", failed_s=0.0)
    judged = judge_image(np.array(image, dtype=np.int64), history, order, rule)
    assert judged.admissible, judged
