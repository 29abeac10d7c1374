"""The story of a replay: steps in order, requests in words, what was believed at the finding."""

from harness.explore.lanes import draw_lanes, lane_of
from harness.explore.planting import system_under_test
from harness.explore.replay_page import render_replay
from harness.explore.story import Entry, tale_lines, tell_tale, told_of
from harness.explore.witness import say_request
from harness.explore.wording import say_setup, say_size, say_step, say_time, say_values
from harness.explore.workloads import WORKLOADS
from harness.schedule import (
    Failover,
    Fault,
    Kill,
    Resize,
    Schedule,
    Setup,
    Start,
    Step,
    Write,
    Zero,
)  # fmt: skip
from harness.sim.blob_requests import PutPages, SetMetadata, SetProperties
from harness.sim.system import REFERENCE

LOST = Schedule(
    seed=1,
    steps=(
        Fault(at_us=2_000_000, fault="request-lost", on="put"), Write(at_us=2_000_000, page=3),
        Kill(at_us=2_002_000), Start(at_us=2_002_000),
    ),
)  # fmt: skip


def test_each_step_is_a_chapter_with_what_came_of_it_and_not_of_another() -> None:
    tale = tell_tale(LOST, REFERENCE)
    assert [chapter.number for chapter in tale.chapters] == [0, 1, 2, 3, 4]
    titles = [chapter.title for chapter in tale.chapters]
    assert titles[1:] == [
        "request-lost at primary, on put requests", "a client writes page 3", "primary is killed",
        "primary is started",
    ]  # fmt: skip
    killed = [entry for entry in tale.chapters[3].entries if entry[3] == "killed"]
    assert len(killed) == 1, "two steps at one moment: each has its own happenings"
    assert not any(entry[3] == "killed" for entry in tale.chapters[4].entries)
    assert any("put page 3 (operation 1)" in entry[3] for entry in tale.chapters[2].entries)


def test_a_finding_is_told_with_its_page_and_what_was_believed_then() -> None:
    with system_under_test(bug="acknowledge-before-put") as system:
        tale = tell_tale(LOST, system, "no-acked-loss")
    text = "\n".join(tale_lines(tale))
    assert "VIOLATED no-acked-loss" in text
    assert "  page 3: expected write 1 (pages 3 to 3) or newer, found" in text
    assert "What each party believed then:" in text
    assert "3. " not in text.split("What each party")[0].splitlines()[-2], (
        "steps after it are not told"
    )
    assert len(text.splitlines()) < 40


def test_without_a_finding_the_whole_run_is_told() -> None:
    tale = tell_tale(WORKLOADS["failover"], REFERENCE)
    text = "\n".join(tale_lines(tale))
    assert "No finding: every claim that was exercised held." in text
    assert "term 2 live blob" in text
    assert "primary: killed" in text


def test_happenings_are_told_once_and_requests_only_counted() -> None:
    entries: list[Entry] = [
        (1, "fault", "primary", "slow-process"), (2, "fault", "primary", "slow-process"),
        (3, "request", "primary", "→ put"), (4, "fault", "primary", "kill"),
        (5, "process", "primary", "killed"), (6, "note", "standby", "late"),
    ]  # fmt: skip
    assert [entry[0] for entry in told_of(entries, until=5)] == [1, 5]


def test_steps_and_stages_in_words() -> None:
    steps: list[tuple[Step, str]] = [
        (Write(at_us=0, page=2, pages=3, fua=True), "a client writes pages 2 to 4 (FUA)"),
        (Zero(at_us=0, page=0), "a client trims page 0"),
        (Resize(at_us=0, volume_bytes=1 << 20), "an operator resizes the volume to 1 MiB"),
        (Fault(at_us=0, fault="bit-rot", page=7), "bit-rot at primary, page 7"),
        (Fault(at_us=0, fault="zombie", on="put", times=2, skip=1, for_us=1_500_000),
         "zombie at primary, on put requests, 2 times, after 1 of them, for 1.5 s"),
        (Start(at_us=0, reseed=True), "primary is started, seeding anew"),
        (Failover(at_us=0, forced=True), "an operator has standby take over by force"),
    ]  # fmt: skip
    assert [say_step(step) for step, _ in steps] == [said for _, said in steps]
    assert say_setup(Schedule(seed=0, setup=Setup(mode="async", standbys=2))) == (
        "mode async, order strict, 8 MiB, standbys 2"
    )
    assert (say_time(0), say_time(1_500_000), say_size((1 << 20) + 512)) == (
        "0.0 s", "1.5 s", "1 MiB + 1 page",
    )  # fmt: skip
    assert say_values(f"shows value 7, not value {1 << 40}") == (
        "shows the value of operation 7, not what was there before the run"
    )


def test_requests_in_words() -> None:
    put = PutPages(blob="b", offset=512, length=1536, pages=(4, 4, b"x" * 512))
    assert say_request(put) == "put pages 1 to 3 (operation 4, footer)"
    number = SetProperties(blob="b", action="max", number=(2 << 32) + 5)
    assert say_request(number) == "raise the sequence number to 5 of term 2"
    assert say_request(SetProperties(blob="b", length=1 << 20)) == "resize the blob to 1 MiB"
    metadata = SetMetadata(blob="b", metadata=(("mp_mark", "resync"), ("mp_term", "3")))
    assert say_request(metadata) == "set metadata (term 3, mark resync)"


def test_the_page_holds_everything_that_happened() -> None:
    tale = tell_tale(LOST, REFERENCE)
    page = render_replay(tale, command="mountproof replay lost.json")
    assert "mountproof replay lost.json" in page
    assert page.count('<tr class="step">') == 4
    happened = sum(len(chapter.entries) for chapter in tale.chapters)
    assert page.count("<tr class=") == 4 + happened


def test_lanes_keep_order_and_stay_inside_the_drawing() -> None:
    events: list[Entry] = [
        (0, "process", "primary", "a"), (5, "request", "primary", "b"),
        (60_000_000, "mount", "standby", "c"), (60_000_001, "phase", "world", "d"),
    ]  # fmt: skip
    drawing = draw_lanes(events, finding_us=60_000_000)
    places = [dot.x for dot in drawing.dots]
    assert places == sorted(places)
    assert drawing.left < places[0]
    assert places[-1] <= drawing.width
    assert drawing.finding_x == places[2]
    assert [lane.name for lane in drawing.lanes] == ["primary", "standby", "world"]
    assert lane_of("operator") == "clients"
    assert lane_of("somebody") == "world"
