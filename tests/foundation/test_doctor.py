"""`mountproof doctor`: what is here, what is missing, and the exit code that says so."""

import json
from pathlib import Path

import pytest

from harness import parts
from harness.command_line import doctor
from harness.command_line.main import main
from harness.errors import Inconclusive
from harness.parts import LabPart, azurite_service, find_parts, versions

HERE = LabPart("fio", "loads the tap", True, "3.33", "/usr/bin/fio", "make setup")
GONE = LabPart("qemu-io", "reads sectors", False, "", "", "make setup (Debian package qemu-utils)")


def test_all_here_is_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "find_parts", lambda: [HERE])
    assert main(["doctor"]) == 0
    assert "all 1 parts are here" in capsys.readouterr().out


def test_one_missing_is_2_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "find_parts", lambda: [HERE, GONE])
    assert main(["doctor"]) == 2
    shown = capsys.readouterr().out
    assert "MISSING  qemu-io" in shown
    assert "get it: make setup (Debian package qemu-utils)" in shown
    assert "1 of 2 parts are missing: qemu-io" in shown


def test_without_an_optional_part_it_is_0_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fast = LabPart("fast lane", "speed", False, "", "", "make setup", optional=True)
    monkeypatch.setattr(doctor, "find_parts", lambda: [HERE, fast])
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "absent   fast lane            speed; get it: make setup" in shown
    assert "all 1 parts are here, but for what is optional: fast lane" in shown


def test_json_is_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "find_parts", lambda: [HERE, GONE])
    assert main(["doctor", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["complete"] is False
    assert [part["name"] for part in told["parts"]] == ["fio", "qemu-io"]


def test_an_empty_machine_misses_every_part_that_set_up_brings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MOUNTPROOF_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = {part.name for part in find_parts() if not part.present}
    assert {"azurite 3.37", "azurite 3.35", "node 22", "guest", "qemu-img", "fio"} <= missing
    with pytest.raises(Inconclusive, match=r"not installed here; run `make setup`"):
        azurite_service()


def test_a_program_that_does_not_run_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "fio"
    broken.write_text("#!/bin/sh\necho 3.33\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not parts._look_for_program("fio", "", "fio", "--version", "").present
    broken.write_text("#!/bin/sh\necho fio-3.33\n")
    assert parts._look_for_program("fio", "", "fio", "--version", "").version == "3.33"


@pytest.mark.real
def test_this_machine_has_every_part() -> None:
    assert [part.name for part in find_parts() if not part.present and not part.optional] == []
    found = versions()
    assert found["azurite 3.37"] == "3.37.0"
    assert found["azurite 3.35"] == "3.35.0"
    assert found["node 22"].startswith("22.")
