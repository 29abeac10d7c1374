"""Recovery points: which a request made, what is owed in each, and how that is weighed."""

from types import SimpleNamespace
from typing import cast

import pytest

from harness.adapter import ListedPoint
from harness.errors import Inconclusive
from harness.judge.facts import PointCheck
from harness.lab import points
from harness.lab.designated import Sizes
from harness.lab.points import PointsLedger
from harness.lab.stage import Stage
from harness.lab.timeline import Timeline
from harness.lab.workload import LedgerProgress

MIB = 1 << 20


class Site:
    """A stage with a service whose snapshots come with each point, and a guest that writes on."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.taken: dict[str, dict[str, str]] = {"s0": {}}
        self.progress = LedgerProgress(1)
        self.progress.take(1.0, "beg 1")
        self.progress.take(1.5, "ack 1 " + "a" * 64)
        self.listed: list[ListedPoint] | None = []

    def take_point(self) -> str:
        answer = self.answers.pop(0)
        self.progress.take(2.0, "beg 2")
        if not answer:
            self.taken[f"s{len(self.taken)}"] = {}
        return answer

    @property
    def stage(self) -> Stage:
        made = SimpleNamespace(
            blob="b.vhd",
            evidence_dir="evidence/t",
            timeline=Timeline(),
            sizes=Sizes(MIB),
            tell=lambda _what: None,
            workload=SimpleNamespace(progress=self.progress),
            volume=SimpleNamespace(take_point=self.take_point, points=lambda: self.listed),
            lab=SimpleNamespace(view=SimpleNamespace(snapshots=lambda _blob: dict(self.taken))),
            disk=SimpleNamespace(url=lambda snapshot: f"http://h/{snapshot}"),
        )
        return cast(Stage, made)


def check(**changes: object) -> PointCheck:
    facts: dict[str, object] = {"snapshot": "s", "kind": "request", "told_bytes": MIB, "ok": True}
    return PointCheck(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "ok"), [(9, False), (10, True), (11, True), (12, True), (13, False), (None, False)]
)
def test_a_point_holds_what_was_acknowledged_before_and_nothing_begun_after(
    found: int | None, ok: bool
) -> None:
    weighed = points._weighed(check(entries=found, owed_entries=10, begun_entries=12))
    assert weighed.ok is ok
    assert bool(weighed.reason) is not ok


def test_a_point_of_which_nothing_is_known_owes_nothing() -> None:
    assert points._weighed(check(entries=0)).ok is True


def test_every_listed_point_is_opened_and_a_taken_one_that_is_not_listed_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site("", "busy", "")
    ledger = PointsLedger(site.stage)
    for _ in range(3):
        ledger.ask()
    site.listed = [ListedPoint("s1", "request", MIB), ListedPoint("s0", "seed", 2 * MIB)]
    seen: list[tuple[str, set[int]]] = []

    def look(url: str, sizes: set[int]) -> tuple[bool | None, str]:
        seen.append((url, sizes))
        return (url.endswith("s1"), "" if url.endswith("s1") else "no footer")

    def mount(_stage: Stage, found: PointCheck, _url: str, owed: object) -> PointCheck:
        assert owed is not None
        return found

    monkeypatch.setattr(points, "look_at_disk", look)
    monkeypatch.setattr(points, "_with_ledger", mount)
    outcome = ledger.check()
    assert (outcome.asked, outcome.refused, outcome.missing) == (3, ["busy"], ["s2"])
    assert [(point.snapshot, point.ok) for point in outcome.points] == [("s1", True), ("s0", False)]
    assert seen == [("http://h/s1", {MIB}), ("http://h/s0", {2 * MIB})]


def test_a_prover_that_fails_leaves_the_point_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_anything: object) -> PointCheck:
        raise Inconclusive("no QEMU")

    site = Site("")
    ledger = PointsLedger(site.stage)
    ledger.ask()
    site.listed = [ListedPoint("s1", "request", MIB)]
    monkeypatch.setattr(points, "look_at_disk", lambda _url, _sizes: (True, ""))
    monkeypatch.setattr(points, "_with_ledger", fail)
    (found,) = ledger.check().points
    assert (found.ok, found.reason) == (None, "no QEMU")


def test_a_system_without_a_list_is_told_apart_from_an_empty_one() -> None:
    site = Site()
    assert PointsLedger(site.stage).check().listed
    site.listed = None
    assert not PointsLedger(site.stage).check().listed
