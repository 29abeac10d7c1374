"""`mountproof explain`: one claim, the list, and what is no claim."""

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.claims import CLAIMS
from harness.command_line.explain import register
from harness.errors import UsageError


@pytest.fixture
def app() -> typer.Typer:
    program = typer.Typer()
    register(program)
    program.command("other")(lambda: None)
    return program


def explain(app: typer.Typer, *words: str) -> Result:
    return CliRunner().invoke(app, ["explain", *words])


@pytest.mark.parametrize("claim", list(CLAIMS))
def test_a_claim_is_explained_with_promise_check_and_limits(app: typer.Typer, claim: str) -> None:
    shown = explain(app, claim)
    assert shown.exit_code == 0
    text = " ".join(shown.output.split())
    for part in (CLAIMS[claim].promise, CLAIMS[claim].how, *CLAIMS[claim].not_checked):
        assert part in text


def test_without_a_claim_all_are_listed_one_a_line(app: typer.Typer) -> None:
    shown = explain(app)
    assert [line.partition(":")[0] for line in shown.output.splitlines()] == list(CLAIMS)


def test_json_is_one_object(app: typer.Typer) -> None:
    one = json.loads(explain(app, "rto", "--json").output)
    assert one["id"] == "rto"
    assert one["judged"] is True
    assert "first" in one["demanded_by"]
    every = json.loads(explain(app, "--json").output)
    assert [claim["id"] for claim in every["claims"]] == list(CLAIMS)


def test_no_such_claim_is_a_usage_error_with_the_nearest(app: typer.Typer) -> None:
    shown = explain(app, "fencd")
    assert isinstance(shown.exception, UsageError)
    assert "did you mean fenced" in str(shown.exception)
