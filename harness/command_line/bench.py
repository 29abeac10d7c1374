"""`mountproof bench NAME`: measure one of the engine's promises about speed."""

import json
import sys
import time
from typing import Annotated, Final

import typer

from harness.bench.catalogue import BENCHES, Bench
from harness.bench.pairs import CLAIM_PAIRS_MIN
from harness.bench.record import BenchResult, measure
from harness.bench.scene import BenchOrder
from harness.errors import UsageError
from harness.parts import AzuriteVersion

AZURITES: Final[tuple[AzuriteVersion, ...]] = ("3.35", "3.37")
QUICK_PAIRS: Final = 1


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("bench")(bench_command)


def bench_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(BENCHES)}.")],
    azurite: Annotated[
        str, typer.Option(help="Blob service: 3.35 or 3.37; default: the bench's own.")
    ] = "",
    pairs: Annotated[
        int, typer.Option(min=1, help="Interleaved pairs; a claim needs 9 or more.")
    ] = CLAIM_PAIRS_MIN,
    quick: Annotated[
        bool, typer.Option("--quick", help="One pair of small sizes: does it work?")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure one of the engine's promises about speed, side by side with its rival.

    Exit codes: 0 measured (whether or not a bound is kept), 2 not measurable, 64 usage.
    """
    bench = find_bench(name)
    order = BenchOrder(
        azurite=find_azurite(azurite, bench),
        pairs=min(pairs, QUICK_PAIRS) if quick else pairs,
        quick=quick,
        offline=bench.offline,
        say=_progress(name),
    )
    result = measure(name, bench.load(), order)
    if as_json:
        print(json.dumps(result.to_builtins(), indent=2))
    else:
        print("\n".join(report_lines(result, bench, order.azurite)))


def find_bench(name: str) -> Bench:
    """The bench of this name; `UsageError` lists the names there are."""
    try:
        return BENCHES[name]
    except KeyError:
        known = ", ".join(BENCHES)
        raise UsageError(f"bench {name!r}: there is no such bench; choose from {known}") from None


def find_azurite(text: str, bench: Bench) -> AzuriteVersion:
    """The service asked for, or the bench's own."""
    if not text:
        return bench.azurite
    for known in AZURITES:
        if text == known:
            return known
    raise UsageError(f"--azurite {text!r}: choose from {', '.join(AZURITES)}")


def report_lines(result: BenchResult, bench: Bench, azurite: AzuriteVersion) -> list[str]:
    """Promises first, each with its bound, then everything measured and where."""
    lines = [f"bench {result.bench}: {bench.purpose}", ""]
    measured = result.ratios | result.figures
    for bound in bench.bounds:
        value = measured[bound.key]
        kept = "kept" if bound.holds(value, azurite) else "MISSED"
        beside = measured.get(f"{bound.key}_spread")
        own = "" if beside is None else f", a side against itself {beside:.0%}"
        lines.append(
            f"{kept:<7}{bound.key:<26}{value:>10g}  {bound.limit} {bound.value(azurite):g}{own}"
        )
    for title, part in (("ratios", result.ratios), ("figures", result.figures)):
        lines += ["", title, *(f"  {name:<42}{value:>14g}" for name, value in part.items())]
    lines += ["", "environment"]
    return lines + [f"  {name:<42}{value}" for name, value in result.environment.items()]


class _progress:  # noqa: N801 - used like a function
    """Tells progress on standard error, with the seconds since the start."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        elapsed = time.monotonic() - self._began
        print(f"bench {self._name} {elapsed:6.1f} s  {text}", file=sys.stderr, flush=True)
