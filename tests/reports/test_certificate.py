"""The certificate and its manifest, against the published schema and the files on disk."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from harness.errors import UsageError
from harness.evidence import ClaimResult, Verdict
from reports import altered_evidence, write_all
from reports.schema import SCHEMA_PATH, certificate_schema
from tests.reports.sample_run import sample_record, sample_run, with_claim


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    sample_run(root)
    write_all(root)
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def certificate(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "certificate.json").read_bytes())
    return loaded


def test_the_published_schema_is_the_one_of_the_classes() -> None:
    published = SCHEMA_PATH.read_bytes()
    assert published == certificate_schema(), "run: python -m reports.schema"


def test_a_certificate_keeps_its_published_schema(folder: Path) -> None:
    schema = json.loads(SCHEMA_PATH.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(certificate(folder), schema)


@pytest.mark.parametrize(
    ("key", "value"),
    [("schema", "mountproof.certificate/2"), ("verdict", "fine"), ("exit_code", 3)],
)
def test_the_schema_refuses_what_no_certificate_says(folder: Path, key: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            certificate(folder) | {key: value}, json.loads(SCHEMA_PATH.read_bytes())
        )


def test_the_certificate_says_what_the_record_says(folder: Path) -> None:
    record = sample_record()
    said = certificate(folder)
    assert said["verdict"] == "held"
    assert said["exit_code"] == 0
    assert said["limits"] == record.limits
    assert said["tested_against"] == record.tested_against
    assert said["subject"] == msgspec.to_builtins(record.subject)
    assert [c["id"] for c in said["claims"]] == [c.id for c in record.claims]
    assert said["claims"][3]["figure"] == "worst 1.21 s, median 0.74 s"
    assert all(c["promise"] for c in said["claims"])
    assert [t["counted"] for t in said["trials"]] == [t.counted for t in record.trials]


def test_the_manifest_holds_the_digest_of_every_file_but_the_certificate(folder: Path) -> None:
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    del files["certificate.json"]
    assert certificate(folder)["manifest"] == {
        path: hashlib.sha256(place.read_bytes()).hexdigest() for path, place in files.items()
    }
    assert {"report.html", "junit.xml", "evidence/run.json"} <= files.keys()


def test_every_path_that_the_certificate_names_is_in_its_manifest(folder: Path) -> None:
    said = certificate(folder)
    named = {path for holder in said["claims"] + said["trials"] for path in holder["evidence"]}
    named |= {proof["raw"] for trial in said["trials"] for proof in trial["proofs"]}
    assert named
    assert named <= said["manifest"].keys()


def test_the_same_evidence_gives_the_same_bytes(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    sample_run(other)
    write_all(other)
    write_all(folder)
    for name in ("certificate.json", "junit.xml", "report.html"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_a_violated_claim_decides_the_exit_code(tmp_path: Path) -> None:
    broken = ClaimResult("rpo", Verdict.VIOLATED, "5 s", "8 s", 3, "lost", ["evidence/rpo.json"])
    sample_run(tmp_path, with_claim(sample_record(), broken))
    write_all(tmp_path)
    assert certificate(tmp_path)["verdict"] == "violated"
    assert certificate(tmp_path)["exit_code"] == 1


def test_untouched_evidence_shows_no_difference(folder: Path) -> None:
    assert altered_evidence(folder) == []


def test_changed_lost_and_added_evidence_is_told_apart(folder: Path) -> None:
    (folder / "evidence/claims/rpo.json").write_text("better")
    (folder / "evidence/claims/rto.json").unlink()
    (folder / "evidence/extra.txt").write_text("new")
    assert altered_evidence(folder) == [
        ("evidence/claims/rpo.json", "changed"),
        ("evidence/claims/rto.json", "missing"),
        ("evidence/extra.txt", "added"),
    ]


def test_links_out_of_the_folder_are_not_followed(folder: Path) -> None:
    (folder / "evidence/link").symlink_to("/etc/hostname")
    write_all(folder)
    assert "evidence/link" not in certificate(folder)["manifest"]


def test_an_unreadable_certificate_is_a_usage_error(folder: Path) -> None:
    (folder / "certificate.json").write_text("{")
    with pytest.raises(UsageError, match=r"certificate\.json"):
        altered_evidence(folder)
