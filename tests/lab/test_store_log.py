"""The blob service's request log, read as a witness."""

from pathlib import Path

from harness.lab.store_log import StoreLog, StoreRequest

LINES = """\
Azurite Blob service successfully listens on http://127.0.0.1:10000
127.0.0.1 - - [22/Nov/2026:22:00:00 +0000] "PUT /acc/box?restype=container HTTP/1.1" 201 -
127.0.0.1 - - [22/Nov/2026:22:00:01 +0000] "PUT /acc/box/a.vhd?comp=page HTTP/1.1" 201 -
127.0.0.1 - - [22/Nov/2026:22:00:01 +0000] "PUT /acc/box/a.vhd?comp=lease HTTP/1.1" 409 -
127.0.0.1 - - [22/Nov/2026:22:00:02 +0000] "GET /acc/box/a.vhd?sp=r&sig=abc HTTP/1.1" 206 -
"""
LATE = '127.0.0.1 - - [x] "PUT /acc/box/a%20b.vhd?comp=page HTTP/1.1" 412 -\n'


def test_each_request_is_told_by_method_object_component_and_status(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LINES)
    assert list(StoreLog(log).requests()) == [
        StoreRequest("PUT", "box", "", 201),
        StoreRequest("PUT", "box/a.vhd", "page", 201),
        StoreRequest("PUT", "box/a.vhd", "lease", 409),
        StoreRequest("GET", "box/a.vhd", "", 206),
    ]


def test_a_lease_request_is_no_write_and_a_get_neither(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LINES)
    writes = [request.target for request in StoreLog(log).requests() if request.writes]
    assert writes == ["box", "box/a.vhd"]


def test_a_position_separates_before_from_after(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LINES)
    log = StoreLog(path)
    position = log.position()
    with path.open("a") as file:
        file.write(LATE)
    (late,) = log.requests(position)
    assert late == StoreRequest("PUT", "box/a b.vhd", "page", 412)
    assert late.refused
