"""Strangers in the blob service: whatever was written that no trial of the run accounts for."""

from pathlib import Path

import pytest

from harness.lab.blob_view import BlobView
from harness.lab.other_objects import strangers, writes_to
from harness.lab.store_log import StoreLog

CONNECTION = (
    "DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=a2V5a2V5a2V5a2V5;"
    "BlobEndpoint=http://127.0.0.1:9/acc;"
)
OWN = (
    "PUT /acc/run?restype=container 201",
    "PUT /acc/run/a.vhd 201",
    "PUT /acc/run/a.vhd?comp=page 201",
    "PUT /acc/run/a.vhd?comp=lease 201",
    "PUT /acc/run/b.vhd?comp=page 201",
    "GET /acc/other/c.vhd 404",
    "PUT /acc/other/c.vhd?comp=lease 404",
)
BLOBS = frozenset({"a.vhd", "b.vhd"})


@pytest.fixture
def view() -> BlobView:
    return BlobView(CONNECTION, "run")


def log_of(place: Path, *requests: str) -> StoreLog:
    said = [request.split() for request in requests]
    place.write_text("".join(f'x "{how} {url} HTTP/1.1" {code} -\n' for how, url, code in said))
    return StoreLog(place)


def test_container_and_blobs_of_the_run_are_no_strangers(view: BlobView, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log", *OWN)
    assert strangers(view, log, BLOBS) == []
    assert writes_to(view, log, "a.vhd") == 2


@pytest.mark.parametrize(
    ("request_line", "stranger"),
    [
        ("PUT /acc/run/copy.vhd?comp=page 201", "run/copy.vhd"),
        ("PUT /acc/run/a.vhd.tmp 201", "run/a.vhd.tmp"),
        ("PUT /acc/elsewhere/a.vhd 201", "elsewhere/a.vhd"),
        ("PUT /acc/elsewhere?restype=container 201", "elsewhere"),
        ("DELETE /acc/run?restype=container 202", "run"),
        ("PUT /acc/run?restype=container&comp=metadata 200", "run"),
        ("PUT /acc/?restype=service&comp=properties 202", "(the account)"),
    ],
)
def test_any_other_write_is_a_stranger_in_any_container(
    view: BlobView, tmp_path: Path, request_line: str, stranger: str
) -> None:
    assert strangers(view, log_of(tmp_path / "log", *OWN, request_line), BLOBS) == [stranger]


def test_without_a_log_every_name_that_is_no_trial_blob_is_a_stranger(
    view: BlobView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "list_blobs", lambda: ["a.vhd", "b.vhd", "copy.vhd", "x.bin"])
    assert strangers(view, None, BLOBS) == ["copy.vhd", "x.bin"]
    assert writes_to(view, None, "a.vhd") == 0
