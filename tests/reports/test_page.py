"""The HTML page: self-contained, honest in its words, and safe against hostile evidence."""

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from harness.evidence import ClaimResult, ProofStep, RunRecord, TimelineEvent, Verdict
from reports.manifest import make_manifest
from reports.page import render_page
from tests.reports.sample_run import sample_record, sample_run, with_claim

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'{{ 7*7 }}&\x00\x1b"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects a page's elements and text, and checks that every element is closed in its place."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.text += " ".join(data.split()) + " "

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(root: Path, record: RunRecord | None = None) -> Page:
    record = sample_run(root, record)
    return Page(render_page(root, record, make_manifest(root)))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return page_of(tmp_path_factory.mktemp("run"))


def test_the_page_loads_nothing_from_anywhere(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img", "use"}
        assert "src" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        href = attributes.get("href") or ""
        assert re.match(r"(#|evidence/|$)", href), href
    (policy,) = [m for m in page.of("meta") if m.get("http-equiv")]
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_links_inside_the_page_lead_somewhere(page: Page) -> None:
    places = {attributes.get("id") for _, attributes in page.elements}
    inside = [a["href"] for a in page.of("a") if (a["href"] or "").startswith("#")]
    assert inside
    assert {(href or "")[1:] for href in inside} <= places


def test_ids_are_unique_and_drawings_and_headers_are_named(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for drawing in page.of("svg"):
        assert drawing.get("aria-hidden") == "true" or drawing.get("aria-label")
    assert all(header.get("scope") in ("col", "row") for header in page.of("th"))
    assert page.of("html")[0]["lang"] == "en"


def test_a_held_run_is_told_with_its_counts_and_limits(page: Page) -> None:
    assert "Every promise held" in page.text
    assert "All 8 promises that the profile “first” demands held." in page.text
    assert "9 kills of the primary site in mid-write, 1 kill under raw writes" in page.text
    assert "11 of 12 disasters counted" in page.text
    for limit in sample_record().limits:
        assert limit in page.text
    assert "1 trial did not count, for the reasons below: async-kill-4." in page.text
    assert "no write was in flight at the kill" in page.text


def test_every_claim_trial_and_raw_output_is_on_the_page(page: Page) -> None:
    record = sample_record()
    for claim in record.claims:
        assert claim.id in page.text
        assert claim.figure in page.text
    for trial in record.trials:
        assert trial.name in page.text
    assert page.text.count("e2fsck 1.47.0: clean") == len(record.trials)
    assert "evidence/run.json" in page.text


def test_a_broken_promise_stands_first_with_its_reason(tmp_path: Path) -> None:
    reason = "Trial async-kill-2 lost entry 371."
    broken = ClaimResult("rpo", Verdict.VIOLATED, "5 s", "8 s", 3, reason, ["evidence/x"])
    unclear = ClaimResult("boots", Verdict.INCONCLUSIVE, "all", "", 0, "QEMU is missing", [])
    page = page_of(tmp_path, with_claim(with_claim(sample_record(), broken), unclear))
    assert "One promise was broken" in page.text
    assert "Broken: rpo. Without a verdict: boots. 6 of 8 demanded promises held." in page.text
    rows = [row["id"] for row in page.of("tr") if row.get("id")]
    assert rows[:3] == ["claim-rpo", "claim-boots", "claim-consumable"]
    assert reason in page.text
    assert "QEMU is missing" in page.text
    unfolded = [d["id"] for d in page.of("details") if "open" in d]
    assert unfolded == ["trial-async-kill-2"]


def test_a_run_without_trials_or_claims_is_not_proven(tmp_path: Path) -> None:
    record = msgspec.structs.replace(
        sample_record(), claims=[], trials=[], limits=[], finished_at=""
    )
    page = page_of(tmp_path, record)
    assert "Not proven" in page.text
    assert "nothing is certified" in page.text
    assert "No trial was run." in page.text
    assert "The run recorded no limits" in page.text


def test_hostile_evidence_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    record = sample_record()
    trial = msgspec.structs.replace(
        record.trials[0],
        name=HOSTILE,
        mode=HOSTILE,
        facts={HOSTILE: HOSTILE},
        timeline=[TimelineEvent(1.0, "faults", "point", HOSTILE)],
        proofs=[ProofStep(HOSTILE, "bad", HOSTILE, 1.0, "evidence/hostile.txt", [HOSTILE])],
        evidence=["evidence/javascript:alert(1)"],
    )
    record = msgspec.structs.replace(
        with_claim(
            record, ClaimResult("rpo", Verdict.VIOLATED, HOSTILE, HOSTILE, 1, HOSTILE, ["e"])
        ),
        trials=[trial],
        limits=[HOSTILE],
        environment={HOSTILE: HOSTILE},
        profile=HOSTILE,
    )
    sample_run(tmp_path, record)
    (tmp_path / "evidence/hostile.txt").write_text(HOSTILE)
    page = Page(render_page(tmp_path, record, make_manifest(tmp_path)))
    assert len(page.of("script")) == 1
    assert page.of("img") == []
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert not [a for a in page.of("a") if ":" in (a["href"] or "")]


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ("../secret.txt", "leads out of the report folder"),
        ("/etc/hostname", "leads out of the report folder"),
        ("evidence/link", "leads out of the report folder"),
        ("evidence/gone.txt", "not in the report folder"),
        ("", "no output was kept"),
    ],
)
def test_only_files_of_the_folder_are_quoted(tmp_path: Path, raw: str, complaint: str) -> None:
    root = tmp_path / "run"
    record = sample_run(root)
    (tmp_path / "secret.txt").write_text("not for the report")
    (root / "evidence/link").symlink_to(tmp_path / "secret.txt")
    proof = msgspec.structs.replace(record.trials[0].proofs[0], raw=raw)
    trial = msgspec.structs.replace(record.trials[0], proofs=[proof])
    page = Page(render_page(root, msgspec.structs.replace(record, trials=[trial]), {}))
    assert complaint in page.text
    assert "not for the report" not in page.text


def test_a_long_output_is_quoted_by_both_ends(tmp_path: Path) -> None:
    record = sample_run(tmp_path)
    place = tmp_path / record.trials[0].proofs[0].raw
    place.write_text("first line\n" + "x" * 50_000 + "\nlast line\n")
    page = Page(render_page(tmp_path, record, {}))
    assert "first line" in page.text
    assert "last line" in page.text
    assert "41830 bytes left out here" in page.text
