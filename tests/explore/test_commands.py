"""The commands swarm, explore, replay and demo, as a user runs them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.command_line.main import main
from harness.schedule import Schedule, Write, dump_schedule, load_schedule


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def steps_of(*steps: str) -> str:
    return f'{{"schedule": 1, "seed": 1, "steps": [{",".join(steps)}]}}'


@pytest.fixture
def quiet_day(tmp_path: Path) -> Path:
    path = tmp_path / "quiet.json"
    path.write_bytes(dump_schedule(Schedule(seed=1, steps=(Write(at_us=2_000_000, page=0),))))
    return path


def test_swarm_finds_a_planted_bug_saves_it_and_the_file_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, "swarm", "--seed", "5", "--disasters", "40", "--planted", "acknowledge-before-put",
        "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert code == 1
    summary = json.loads(out)
    assert summary["disasters"] == 40
    assert summary == json.loads((tmp_path / "swarm.json").read_text())
    (found,) = [one for one in summary["findings"] if one["claim"] == "no-acked-loss"][:1]
    assert found["steps"] <= 6
    assert len(load_schedule(Path(found["file"])).steps) == found["steps"]

    code, out, _ = run(capsys, "replay", found["file"], "--planted", "acknowledge-before-put")
    assert code == 1
    assert "VIOLATED no-acked-loss" in out
    assert len(out.splitlines()) < 60

    code, out, _ = run(capsys, "replay", found["file"])
    assert code == 0, "without the bug there is nothing to find"
    assert "No finding" in out


def test_a_foreign_core_that_kills_its_process_costs_no_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, "swarm", "--seed", "4", "--disasters", "4", "--workers", "2", "--core",
        "tests.explore.odd_cores:raising_then_deadly", "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert code == 1
    (found,) = [one for one in json.loads(out)["findings"] if one["claim"] == "core-error"]
    assert "this core is broken" in found["text"]
    assert found["runs"] == 0, "it died while it was shrunk"
    assert Path(found["file"]).exists()


def test_a_small_swarm_of_the_true_engine_shows_what_it_did_not_reach(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "swarm", "--seed", "5", "--disasters", "1", "--workers", "1")
    assert code == 2
    assert "inconclusive: never exercised:" in out


def test_replay_writes_a_page_that_runs_no_script_and_loads_nothing(
    quiet_day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    code, out, _ = run(capsys, "replay", str(quiet_day), "--html", str(page))
    assert code == 0
    assert str(page) in out
    text = page.read_text("utf-8")
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert "<script" not in text
    assert "src=" not in text.replace("default-src", "")
    assert "a client writes page 0" in text


def test_a_label_cannot_break_out_of_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, page = tmp_path / "bad.json", tmp_path / "page.html"
    evil = "<img src=x onerror=alert(1)>"
    path.write_text(json.dumps({"schedule": 1, "seed": 1, "setup": {"label": evil}, "steps": []}))
    code, _, _ = run(capsys, "replay", str(path), "--html", str(page))
    assert code == 0
    assert "<img" not in page.read_text("utf-8")


def test_replay_as_json(quiet_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "replay", str(quiet_day), "--json")
    told = json.loads(out)
    assert code == 0
    assert told["findings"] == []
    assert [chapter["title"] for chapter in told["story"]][1:] == ["a client writes page 0"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "not JSON"),
        ('{"schedule": 2, "seed": 1}', "$.schedule"),
        ('{"schedule": 1}', "seed"),
        ('{"schedule": 1, "seed": 1, "steps": [{"do": "dance", "at_us": 1}]}', "$.steps[0]"),
        ('{"schedule": 1, "seed": 1, "steps": [{"do": "fault", "at_us": 1, "fault": "x"}]}',
         "$.steps[0].fault"),
        ('{"schedule": 1, "seed": 1, "steps": [{"do": "write", "at_us": 1, "page": -1}]}',
         "$.steps[0].page"),
        ('{"schedule": 1, "seed": 1, "setup": {"volume_bytes": -512}}', "$.setup.volume_bytes"),
        (steps_of('{"do": "flush", "at_us": 2}', '{"do": "flush", "at_us": 1}'),
         "$.steps[1].at_us"),
        (steps_of(*['{"do":"flush","at_us":1}'] * 10_001), "10001 steps"),
    ],
)  # fmt: skip
def test_a_bad_schedule_is_a_usage_error_that_names_the_place(
    text: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    code, _, err = run(capsys, "replay", str(path))
    assert code == 64
    assert place in err
    assert "bad.json" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", "nowhere.json"), "nowhere.json"),
        (("swarm", "--disasters", "1", "--seconds", "1"), "give one of them"),
        (("swarm", "--disasters", "0"), "--disasters"),
        (("swarm", "--core", "nonsense"), "MODULE:FACTORY"),
        (("swarm", "--core", "no_such_module:make"), "no_such_module"),
        (("swarm", "--planted", "no-such-bug"), "there is no such bug"),
        (("swarm", "--planted", "acknowledge-before-put", "--core", "a:b"), "of our own core"),
        (("explore", "--workload", "nothing"), "nothing"),
        (("explore", "--workload", "nothing.json"), "nothing.json"),
        (("demo", "--planted", "no-such-bug"), "there is no such bug"),
    ],
)
def test_a_slip_of_the_user_is_told_as_such(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 64
    assert said in err


def test_explore_tries_every_crash_of_a_file(
    quiet_day: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "explore", "--workload", str(quiet_day), "--json")
    told = json.loads(out)
    assert code == 0
    assert told["runs"] > 90
    assert told["findings"] == 0


def test_explore_finds_a_planted_bug(quiet_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "explore", "--workload", str(quiet_day), "--planted", "acknowledge-before-put"
    )
    assert code == 1
    assert "no-acked-loss" in out


def test_an_interrupted_swarm_tells_what_there_is_so_far_and_ends_with_2() -> None:
    command = [sys.executable, "-m", "harness.command_line.main", "swarm", "--json",
               "--disasters", "1000000", "--workers", "1"]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while " 0 disasters" in process.stderr.readline():
            pass  # not before something was run
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    summary = json.loads(out)
    assert summary["interrupted"]
    assert summary["disasters"] > 0
    assert process.returncode == (1 if summary["findings"] else 2)


def test_demo_breaks_a_planted_bug_and_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "demo", "--out", str(tmp_path))
    assert code == 0
    assert "VIOLATED crash-consistent" in out
    assert "Planted in the replication core" in err
    (page,) = tmp_path.glob("*.html")
    assert "crash-consistent violated" in page.read_text("utf-8")
