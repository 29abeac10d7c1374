"""Transcripts of the exclusive section towards each of its goals, with every answer lost once."""

from itertools import count

import pytest
from msgspec.structs import replace

from engine.core.blob_metadata import BlobMetadata, Mark, new_metadata, parse_metadata
from engine.core.epochs import Order
from engine.core.listed_point import PointKind, listed
from engine.core.messages import (
    Clear,
    Command,
    ListSnapshots,
    Put,
    Raise,
    Refusal,
    Resize,
    SetMetadata,
    Snapshot,
    Unknown,
)
from engine.core.points import MarkInconsistent, Point, Seal, TakePoint
from engine.core.resizing import ChangeSize, Roll
from engine.core.section import Goal, InTurn, Section
from engine.core.settings import Mode, VolumeSettings
from engine.units import MIB, SECOND_US
from engine.vhd import disk_bytes, parse_footer
from tests.core.blob_model import BlobModel

SETTINGS = VolumeSettings(
    "db", "primary-1", MIB, b"i" * 16, 0, Mode.SYNC, Order.STRICT, 2, 15, SECOND_US, MIB,
    points_keep=2,
)  # fmt: skip
PAGE = 512


class Bench:
    """A blob that is an image of a volume of so many bytes, and its owner."""

    def __init__(self, volume_bytes: int = MIB, mark: Mark = Mark.NONE) -> None:
        self._ids = count(1)
        self.metadata = replace(new_metadata(SETTINGS), mark=mark, volume_bytes=volume_bytes)
        end = disk_bytes(volume_bytes)
        pages: dict[int, object] = {0: "first", end // PAGE - 1: "last"}
        if mark is Mark.NONE:
            pages[end // PAGE] = self.metadata.footer()
        self.blob = BlobModel(True, end + PAGE, 50, 1, self.metadata.to_map(), pages, "L")
        self.blob.lease_until_us = 1 << 60
        self.order: list[str] = []
        self.section: Section | None = None

    def run(self, goal: Goal, lost: type | None = None, stop_after: int = 0) -> Section:
        """Work towards the goal; `lost`: such a command's answer gets lost once."""
        owner = (self.metadata.owner, self.metadata.term)
        section = Section(goal, owner, "L", self.blob.number, lambda: next(self._ids))
        self.order, self.section = [], section
        pending: list[Command] = section.start()
        for now_us in range(0, 100_000_000, 1_000_000):
            if not pending and not section.is_finished():
                pending = section.timer()
            while pending:
                command = pending.pop(0)
                if not hasattr(command, "id"):
                    continue
                self.order.append(type(command).__name__)
                if len(self.order) == stop_after:
                    return section
                answer = self.blob.apply(now_us, command)  # type: ignore[arg-type]
                if lost is not None and isinstance(command, lost):
                    lost, answer = None, Unknown(answer.id, "no answer")
                pending += section.handle(now_us, answer)
            if section.fenced or section.is_finished() or section.limited:
                return section
        return section

    def state(self) -> BlobMetadata:
        """What the blob says of itself."""
        return parse_metadata(self.blob.metadata)

    def opens(self) -> int:
        """The disk's size, if the blob opens as one."""
        last = self.blob.pages.get(self.blob.length // PAGE - 1)
        assert isinstance(last, bytes), "no footer at the end"
        return parse_footer(last, self.blob.length).size_bytes


def resize(volume_bytes: int) -> ChangeSize:
    """The goal of another size."""
    return ChangeSize(volume_bytes, Point(PointKind.GROW, 7))


# ── sealing and marking ───────────────────────────────────────────────────────────────────────


def test_sealing_puts_the_footer_before_the_mark_goes() -> None:
    bench = Bench(mark=Mark.SEED)
    section = bench.run(Seal(SETTINGS, None))
    assert bench.order == ["Raise", "Head", "Put", "SetMetadata", "Head"]
    assert section.is_finished()
    assert section.etag == bench.blob.etag()
    assert bench.opens() == MIB
    assert bench.state().mark is Mark.NONE


@pytest.mark.parametrize("lost", [Raise, Put, SetMetadata])
def test_any_lost_answer_starts_it_again_at_a_raise(lost: type) -> None:
    bench = Bench(mark=Mark.SEED)
    assert bench.run(Seal(SETTINGS, None), lost).is_finished()
    assert bench.order.count("Raise") == 2
    assert bench.state().mark is Mark.NONE


def test_in_order_interval_the_closing_point_is_pinned_before_anything_promises() -> None:
    bench = Bench(mark=Mark.SEED)
    bench.run(Seal(SETTINGS, Point(PointKind.INTERVAL, 9)))
    assert bench.order[2:] == ["Put", "ListSnapshots", "Snapshot", "SetMetadata", "Head"]
    (sid,) = bench.blob.snapshots
    assert (bench.state().mark, bench.state().pin) == (Mark.INTERVAL, sid)


def test_h30_a_resync_pins_a_point_before_the_mark_and_keeps_the_pin_it_finds() -> None:
    bench = Bench()
    bench.run(MarkInconsistent(Point(PointKind.RESYNC, 1)), Snapshot)
    assert bench.order.index("Snapshot") < bench.order.index("SetMetadata")
    first = bench.state().pin
    assert list(bench.blob.snapshots) == [first]
    bench.run(MarkInconsistent(Point(PointKind.RESYNC, 2)))
    assert (bench.state().mark, bench.state().pin) == (Mark.RESYNC, first)
    assert len(bench.blob.snapshots) == 1


# ── points ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lost", [Raise, ListSnapshots, Snapshot, SetMetadata])
def test_a_point_is_taken_once_whatever_answer_is_lost(lost: type) -> None:
    bench = Bench()
    bench.run(TakePoint(Point(PointKind.REQUEST, 42), 2), lost)
    bench.run(TakePoint(Point(PointKind.REQUEST, 43), 2), lost)
    points = listed([(sid, kept.metadata) for sid, kept in bench.blob.snapshots.items()])
    assert [(p.kind, p.taken_us, p.volume_bytes) for p in points] == [
        (PointKind.REQUEST, 42, MIB),
        (PointKind.REQUEST, 43, MIB),
    ]


def test_h33_what_is_too_old_is_doomed_first_and_the_pin_never() -> None:
    bench = Bench()
    bench.run(MarkInconsistent(Point(PointKind.RESYNC, 0)))
    bench.run(Seal(SETTINGS, None))
    for taken in (1, 2, 3):
        bench.run(TakePoint(Point(PointKind.REQUEST, taken), 2))
    assert bench.state().doomed == ("s0001", "s0002"), "the resync's and the oldest"
    assert len(bench.blob.snapshots) == 4, "only doomed, not deleted"
    pinned = replace(bench.state(), mark=Mark.INTERVAL, pin="s0003")
    bench.blob.metadata = pinned.to_map()
    bench.run(TakePoint(Point(PointKind.INTERVAL, 4), 1))
    assert bench.state().pin == "s0005"
    assert bench.state().doomed == ("s0001", "s0002", "s0003", "s0004")


def test_a_refused_snapshot_leaves_the_choice_to_the_caller() -> None:
    bench = Bench()
    bench.blob.limited = True
    section = bench.run(TakePoint(Point(PointKind.REQUEST, 1), 2))
    assert section.limited
    assert not section.is_finished()
    bench.blob.limited = False
    assert bench.run(section.goal).is_finished()


def test_a_point_says_nothing_that_concerns_the_live_blob_only() -> None:
    bench = Bench()
    bench.run(MarkInconsistent(Point(PointKind.RESYNC, 0)))
    (kept,) = bench.blob.snapshots.values()
    own = parse_metadata(kept.metadata)
    assert (own.mark, own.pin, own.intent, own.doomed) == (Mark.NONE, "", "", ())
    assert dict(kept.metadata)["mp_point"] == "resync"


# ── sizes ─────────────────────────────────────────────────────────────────────────────────────


def test_h23_growing_clears_the_old_footer_with_the_request_that_commits() -> None:
    bench = Bench()
    bench.run(resize(3 * MIB))
    assert bench.order == [
        "Raise", "Head", "ListSnapshots", "Snapshot", "SetMetadata", "Resize", "Put", "Raise",
        "SetMetadata", "Head",
    ]  # fmt: skip
    assert bench.opens() == 3 * MIB
    assert MIB // PAGE not in bench.blob.pages
    assert (bench.state().volume_bytes, bench.state().intent) == (3 * MIB, "")


def test_h23_growing_far_clears_before_the_footer_commits() -> None:
    bench = Bench()
    bench.run(resize(9 * MIB))
    assert bench.order[5:8] == ["Resize", "Clear", "Put"]
    assert bench.opens() == 9 * MIB
    assert MIB // PAGE not in bench.blob.pages


def test_h24_shrinking_puts_the_footer_before_the_size_changes() -> None:
    bench = Bench(8 * MIB)
    bench.run(resize(2 * MIB - 1024))
    assert bench.order[4:8] == ["SetMetadata", "Put", "Raise", "Resize"]
    assert bench.opens() == 2 * MIB
    assert sorted(bench.blob.pages) == [0, 2 * MIB // PAGE]


@pytest.mark.parametrize("size", [MIB, 3 * MIB, 9 * MIB, 4 * MIB + 512])
@pytest.mark.parametrize("stop_after", range(1, 13))
def test_wherever_it_stops_any_owner_rolls_it_forward(size: int, stop_after: int) -> None:
    bench = Bench(4 * MIB)
    before = bench.blob.pages.copy()
    bench.run(resize(size), stop_after=stop_after)
    begun = bool(bench.state().intent)
    bench.run(Roll())
    assert bench.opens() in ({disk_bytes(size)} if begun else {4 * MIB, disk_bytes(size)})
    bench.run(resize(size))
    assert bench.opens() == disk_bytes(size)
    assert (bench.state().volume_bytes, bench.state().intent) == (size, "")
    kept = {page: value for page, value in before.items() if page < min(size, 4 * MIB) // PAGE}
    assert kept.items() <= bench.blob.pages.items()
    assert len(bench.blob.pages) == len(kept) + 1, "grown space reads zero"


@pytest.mark.parametrize("lost", [Raise, Snapshot, SetMetadata, Resize, Put, Clear])
@pytest.mark.parametrize("size", [2 * MIB, 9 * MIB])
def test_a_lost_answer_while_resizing_changes_nothing_of_the_end(size: int, lost: type) -> None:
    bench = Bench(4 * MIB)
    assert bench.run(resize(size), lost).is_finished()
    assert bench.opens() == size
    assert bench.state().intent == ""


def test_h25_inside_a_mib_only_the_tail_is_cleared() -> None:
    bench = Bench()
    bench.run(resize(MIB - 1024))
    assert bench.order == ["Raise", "Head", "Clear", "SetMetadata", "Head"]
    assert bench.opens() == MIB
    assert MIB // PAGE - 1 not in bench.blob.pages
    bench.run(resize(MIB))
    assert bench.order == ["Raise", "Head", "SetMetadata", "Head"]


@pytest.mark.parametrize("mark", [Mark.SEED, Mark.RESYNC])
@pytest.mark.parametrize("size", [MIB, 5 * MIB, 4 * MIB - 512])
@pytest.mark.parametrize("stop_after", range(1, 8))
def test_a_marked_blob_is_resized_without_an_intent(mark: Mark, size: int, stop_after: int) -> None:
    bench = Bench(4 * MIB, mark)
    bench.run(resize(size), stop_after=stop_after)
    assert bench.state().intent == ""
    bench.run(InTurn(resize(size), Seal(SETTINGS, None)))
    assert bench.opens() == disk_bytes(size)
    assert len(bench.blob.pages) == (2 if size < 4 * MIB else 3)


def test_a_section_of_a_blob_that_another_node_owns_is_fenced() -> None:
    bench = Bench()
    foreign = replace(bench.metadata, owner="standby-1", term=2)
    bench.blob.metadata = foreign.to_map()
    section = bench.run(resize(3 * MIB))
    assert section.fenced
    assert bench.order == ["Raise", "Head"]


def test_a_lost_lease_ends_it() -> None:
    bench = Bench()
    bench.blob.lease = "other"
    section = bench.run(resize(3 * MIB))
    assert section.fenced
    assert Refusal.LEASE.value in section.detail
