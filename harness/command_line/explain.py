"""`mountproof explain [CLAIM]`: what a claim promises, how it is checked, what is not checked."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from harness.claims import CLAIMS, Claim, find_claim
from harness.profile import BOUNDS, load_profile, profile_names

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("explain")(explain_command)


def explain_command(
    claim: Annotated[
        str | None, typer.Argument(metavar="[CLAIM]", help="Its id; without one, all are listed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a claim promises, how it is checked, and what is not checked.

    Exit codes: 0, or 64 if there is no such claim.
    """
    if claim is None:
        _list_claims(as_json)
        return
    found = find_claim(claim)
    if as_json:
        print(json.dumps(_plain(found), indent=2))
    else:
        _print_claim(found)


def _list_claims(as_json: bool) -> None:
    if as_json:
        print(json.dumps({"claims": [_plain(claim) for claim in CLAIMS.values()]}, indent=2))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        for claim in CLAIMS.values():
            print(f"{claim.id}: {claim.promise}")
        return
    table = Table("claim", "the promise", "demanded by profile", show_lines=True)
    for claim in CLAIMS.values():
        table.add_row(claim.id, claim.promise, ", ".join(_demanded_by(claim)) or "-")
    console.print(table)


def _print_claim(claim: Claim) -> None:
    console = Console(highlight=False, soft_wrap=True)
    demanded = ", ".join(_demanded_by(claim)) or "none"
    console.print(f"[bold]{claim.id}[/bold]\n")
    console.print(f"It promises:\n  {claim.promise}\n", markup=False)
    console.print(f"How it is checked:\n  {claim.how}\n", markup=False)
    console.print("What is not checked:", markup=False)
    for limit in claim.not_checked:
        console.print(f"  - {limit}", markup=False)
    console.print(f"\nProfiles that demand it: {demanded}", markup=False)


def _demanded_by(claim: Claim) -> list[str]:
    return [name for name in profile_names() if claim.id in load_profile(name).demands]


def _plain(claim: Claim) -> dict[str, object]:
    return {
        "id": claim.id,
        "promise": claim.promise,
        "how": claim.how,
        "not_checked": list(claim.not_checked),
        "judged": claim.id in BOUNDS,
        "demanded_by": _demanded_by(claim),
    }
