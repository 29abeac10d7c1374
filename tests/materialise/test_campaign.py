"""From schedules to proved disks; and the disagreements that a campaign exists to find."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.checkers.checker import Checker
from harness.disk.tools import ToolBox
from harness.explore.planting import system_under_test
from harness.materialise.boot_code import boot_code
from harness.materialise.campaign import materialise
from harness.materialise.candidate import Candidate, ImageCollector
from harness.materialise.proving import Proved, prove_disk
from harness.materialise.rendering import DiskImage, Rotten
from harness.oracle.pages import PAGE_BYTES
from harness.schedule import (
    Failover,
    Fault,
    Flush,
    Kill,
    Resize,
    Schedule,
    Setup,
    Step,
    Write,
    Zero,
)  # fmt: skip
from harness.sim.disaster import run_disaster
from harness.sim.system import REFERENCE, System
from tests.disk.disks import MIB, footer

SIZE = 2 * MIB
END = SIZE // PAGE_BYTES
S = 1_000_000


def image(pages: dict[int, object], last: bytes | None = None) -> DiskImage:
    return DiskImage(SIZE + PAGE_BYTES, {**pages, END: footer(SIZE) if last is None else last})


def disaster(*steps: Step, seed: int = 5, **setup: object) -> Schedule:
    return Schedule(seed=seed, setup=Setup(volume_bytes=SIZE, **setup), steps=steps)  # type: ignore[arg-type]


LIFE = (
    Write(at_us=5 * S, page=0),
    Write(at_us=6 * S, page=9, pages=3),
    Flush(at_us=7 * S),
    Resize(at_us=8 * S, volume_bytes=4 * MIB),
    Write(at_us=9 * S, page=8191),
    Kill(at_us=12 * S),
    Failover(at_us=40 * S),
)


def disks_of(schedule: Schedule, system: System = REFERENCE) -> list[Candidate]:
    witness = Checker()
    collector = ImageCollector(witness)
    run_disaster(schedule, system, (witness,), observers=(collector,))
    return collector.found


def test_a_disaster_leaves_what_a_failover_would_mount_at_the_crash() -> None:
    *in_resize, crash = disks_of(disaster(*LIFE))
    assert crash.moment.startswith("primary killed")
    assert crash.must_be_right
    assert crash.expected.size_bytes == 4 * MIB
    assert set(crash.expected.pages) >= {0, 9, 10, 11, 8191, 8192}
    assert {disk.moment.partition(" at ")[0] for disk in in_resize} == {"in a resize"}


def test_in_a_grow_there_is_a_moment_when_nothing_opens_the_disk_and_none_may() -> None:
    in_resize = [disk for disk in disks_of(disaster(*LIFE)) if disk.moment.startswith("in a")]
    assert [disk.shown.size_bytes // MIB for disk in in_resize] == [2, 4, 4]
    assert [disk.problem for disk in in_resize] == ["", "no-footer", ""]


def test_at_rest_the_disk_is_held_against_the_volume_and_a_disk_comes_once() -> None:
    (end,) = disks_of(disaster(*LIFE[:3]))
    assert end.moment == "end, against the volume"
    assert end.shown.pages == end.expected.pages


def test_a_page_whose_write_the_volume_refused_is_not_held_against_it() -> None:
    """The blob has that write: whoever was told of an error may find either."""
    spoilt = Fault(at_us=4 * S, fault="media-error", on="volume-write", times=1)
    (end,) = disks_of(disaster(spoilt, *LIFE[:3]))
    assert end.moment == "end, against the volume"
    assert end.shown.pages[0] == 1
    assert end.shown.pages == end.expected.pages


def test_rot_at_rest_is_shown_and_not_expected() -> None:
    rot = Fault(at_us=8 * S, fault="bit-rot", page=9)
    crash = disks_of(disaster(*LIFE[:3], rot, Kill(at_us=9 * S)))[0]
    assert isinstance(crash.shown.pages[9], Rotten)
    assert crash.expected.pages[9] == crash.shown.pages[9].true
    assert crash.rotten
    assert not crash.must_be_right


def test_what_the_oracle_does_not_admit_is_shown_and_the_page_that_is_owed_is_expected() -> None:
    steps = (*LIFE[:3], Zero(at_us=8 * S, page=9, pages=2), Kill(at_us=12 * S))
    with system_under_test(bug="trim-ignored") as system:
        crash = disks_of(disaster(*steps), system)[0]
    assert crash.wrong_page in (9, 10)
    assert crash.wrong_page in crash.shown.pages
    assert crash.wrong_page not in crash.expected.pages
    assert not crash.must_be_right
    assert disks_of(disaster(*steps))[0].must_be_right


def test_a_footer_inside_the_disk_is_a_problem() -> None:
    steps = (*LIFE[:4], Kill(at_us=12 * S))
    with system_under_test(bug="old-footer-left-inside-the-disk") as system:
        crash = disks_of(disaster(*steps), system)[-1]
    assert crash.problem == "footer-inside"
    assert disks_of(disaster(*steps))[-1].problem == ""


@pytest.mark.real
@pytest.mark.parametrize(
    ("bug", "count"),
    [
        ("trim-ignored", "told_wrong"),
        ("old-footer-left-inside-the-disk", "refused"),
        ("footer-checksum-not-recomputed", "refused"),
        ("chs-only-creator", "refused"),
    ],
)
def test_provers_agree_with_the_oracle_on_what_a_planted_bug_leaves(bug: str, count: str) -> None:
    zeroes = Zero(at_us=9 * S, page=9, pages=2)
    with system_under_test(bug=bug) as system:
        result = materialise([disaster(*LIFE[:4], zeroes, Kill(at_us=12 * S))], 1, system=system)
    assert result.findings == []
    assert getattr(result, count) >= 1


@pytest.mark.real
def test_disks_of_disasters_are_proved_and_boot_and_leave_nothing_behind(tmp_path: Path) -> None:
    told: list[int] = []
    schedules = [disaster(*LIFE), disaster(*LIFE), disaster(*LIFE[:3]), disaster(*LIFE[:1])]
    result = materialise(schedules, 3, tell=lambda so_far: told.append(so_far.images))
    assert result.findings == []
    assert result.missing == []
    assert result.verdict == "good"
    assert result.disasters == 3
    assert result.images == 4, (
        "the second disaster is the first, the third ends as its resize began"
    )
    assert result.booted == result.booted_from_disk == 3
    assert result.refused == 1
    assert told == list(range(1, result.images + 1))
    assert result.pages >= 8192


@pytest.mark.real
def test_a_vm_that_hangs_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.materialise.boot_prover._TIMEOUT_S", 0.001)
    result = materialise([disaster(*LIFE[:3]), disaster(*LIFE[:1])], 2)
    assert len(result.missing) == 2
    assert all("did not end within" in what for what in result.missing)
    assert result.verdict == "inconclusive"


@pytest.mark.real
def test_with_a_folder_the_disks_stay(tmp_path: Path) -> None:
    result = materialise([disaster(*LIFE[:3])], 1, folder=tmp_path / "disks")
    (kept,) = (tmp_path / "disks").iterdir()
    assert kept.name == "001-seed-5-end-against-the-volume.vhd"
    assert kept.stat().st_size == SIZE + PAGE_BYTES
    assert result.booted == 1


def proved(folder: Path, shown: DiskImage, expected: DiskImage, problem: str = "") -> Proved:
    candidate = Candidate("test", shown, expected, problem)
    done = prove_disk(candidate, boot_code(), folder / "a.vhd", folder, ToolBox())
    assert done.missing == ()
    return done


WRONG_SUM = footer(SIZE, checksum=1)
GOOD = image({0: 1, 7: 2})


@pytest.mark.real
@pytest.mark.parametrize(
    ("shown", "provers"),
    [
        pytest.param(image({0: 1, 7: 3}), {"qemu-img compare", "boot sector"}, id="another write"),
        pytest.param(image({0: 1, 7: 2}, WRONG_SUM), {"strict validator"}, id="wrong checksum"),
        pytest.param(
            DiskImage(SIZE + PAGE_BYTES, {0: 1, 7: 2}),
            {"strict validator", "qemu-img", "boot sector"},
            id="no footer",
        ),
    ],
)
def test_a_disk_that_the_oracle_accepts_and_a_prover_refuses_is_a_finding(
    shown: DiskImage, provers: set[str], tmp_path: Path
) -> None:
    found = proved(tmp_path, shown, GOOD).disagreements
    assert {d.cause for d in found} == {"oracle-accepts-prover-refuses"}
    assert {d.prover for d in found} >= provers


@pytest.mark.real
@pytest.mark.parametrize(
    ("shown", "problem", "accepted_by"),
    [
        pytest.param(lambda: GOOD, "no-footer", {"strict validator"}, id="good after all"),
        pytest.param(lambda: image({0: 1, 7: 2}, WRONG_SUM), "checksum", set[str](), id="refused"),
        pytest.param(lambda: image({0: 1, 7: Rotten(2)}), "", set[str](), id="rot is told"),
    ],
)
def test_a_disk_that_the_oracle_refuses_must_be_refused(
    shown: Callable[[], DiskImage], problem: str, accepted_by: set[str], tmp_path: Path
) -> None:
    found = proved(tmp_path, shown(), GOOD, problem).disagreements
    assert {d.prover for d in found} == accepted_by
    assert {d.cause for d in found} <= {"oracle-refuses-prover-accepts"}
