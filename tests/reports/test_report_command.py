"""`mountproof report DIR`: rebuilds from evidence, and refuses evidence that was touched."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness.command_line import report
from harness.errors import UsageError
from reports import write_all
from tests.reports.sample_run import sample_run


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    report.register(app)
    return app


def run(app: typer.Typer, *arguments: object) -> str:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_reports_are_made_and_made_again_the_same(app: typer.Typer, tmp_path: Path) -> None:
    sample_run(tmp_path)
    said = run(app, tmp_path)
    assert "verdict of the run: held" in said
    names = ("certificate.json", "junit.xml", "report.html")
    before = {name: (tmp_path / name).read_bytes() for name in names}
    assert all(str(tmp_path / name) in said for name in names)
    for name in names[1:]:
        (tmp_path / name).unlink()
    run(app, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_touched_evidence_is_refused_until_it_is_accepted(app: typer.Typer, tmp_path: Path) -> None:
    sample_run(tmp_path)
    write_all(tmp_path)
    before = (tmp_path / "certificate.json").read_bytes()
    for number in range(12):
        (tmp_path / f"evidence/extra-{number:02}.txt").write_text("new")
    with pytest.raises(UsageError, match=r"added: evidence/extra-00\.txt") as caught:
        run(app, tmp_path)
    assert "and 2 more" in str(caught.value)
    assert (tmp_path / "certificate.json").read_bytes() == before
    said = json.loads(run(app, tmp_path, "--accept-changes", "--json"))
    assert said["altered"]["evidence/extra-00.txt"] == "added"
    assert said["verdict"] == "held"
    run(app, tmp_path)


def test_a_folder_without_evidence_is_a_usage_error(app: typer.Typer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no evidence"):
        run(app, tmp_path)
