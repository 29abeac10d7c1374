"""`mountproof certify`: stage the disasters of a profile, judge, and write the certificate."""

import os
import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from harness.adapters.reference_engine import ReferenceEngine
from harness.attentive import result_of
from harness.command_line.certify_progress import progress_on
from harness.command_line.claims_table import print_claims
from harness.errors import UsageError
from harness.evidence import EvidenceFolder, RunRecord
from harness.lab.blob_view import BlobView
from harness.lab.certification import Request, certify
from harness.lab.plan import plan_for_profile
from harness.lab.waiting import StopSignal
from harness.profile import RpoBounds, load_profile
from reports import CERTIFICATE_NAME, HTML_NAME, JUNIT_NAME, write_all

SEED_BITS: Final = 31
MADE: Final = (CERTIFICATE_NAME, JUNIT_NAME, HTML_NAME, "evidence")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("certify")(certify_command)


def certify_command(
    profile: Annotated[str, typer.Option(help="Name of a profile, or the path of one.")] = "quick",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the certificate; default: a new one below out/.")
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            metavar="CONNECTION",
            help="Running blob service: env:NAME of a variable with its connection string"
            " (recommended), or that string itself, which every process list then shows;"
            " default: an Azurite of its own.",
        ),
    ] = "",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of all random choices; default: a fresh one.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the certificate on stdout.")
    ] = False,
) -> None:
    """Kill a live volume's site again and again, recover, prove, and write a certificate.

    Exit codes: 0 all demanded claims held, 1 one is violated, 2 inconclusive or
    interrupted, 64 usage, 70 a trial ended in a defect of mountproof (its traceback is kept).
    """
    demanded = load_profile(profile)
    connection = connection_of(store)
    if connection:
        BlobView(connection)  # sends nothing; a slip is told before an earlier certificate goes
    chosen = secrets.randbits(SEED_BITS) if seed is None else seed
    folder = prepare_folder(out or _fresh_folder())
    rpo = demanded.bounds("rpo", RpoBounds)
    with progress_on(sys.stderr) as progress:
        request = Request(
            profile=demanded,
            plans=plan_for_profile(demanded, chosen),
            seed=chosen,
            system=ReferenceEngine(),
            evidence=EvidenceFolder(folder),
            rpo_s=rpo.rpo_seconds if rpo is not None else 5.0,
            store=connection,
            progress=progress,
        )
        progress("", f"profile {demanded.name}, {len(request.plans)} trials, seed {chosen}")
        done = run_until_done(request)
    write_all(folder)
    if as_json:
        print((folder / CERTIFICATE_NAME).read_text(encoding="utf-8"))
    else:
        print_claims(done, folder)
    raise typer.Exit(done.exit_code)


def run_until_done(request: Request) -> RunRecord:
    """Certify in a thread of its own, so that an interrupt is heard at once.

    The first SIGINT or SIGTERM stops the run in order; the second ends the program: every process
    of the lab dies with it, for it is tied to ours.
    """
    stop = StopSignal()
    with _interrupts(stop), ThreadPoolExecutor(1, thread_name_prefix="certify") as runner:
        return result_of(runner.submit(certify, request, stop))


@contextmanager
def _interrupts(stop: StopSignal) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set:
            os._exit(2)
        print("interrupted: stopping everything that was started", file=sys.stderr, flush=True)
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupted) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def connection_of(store: str) -> str:
    """The connection string that `--store` means; `UsageError` if its variable is not set."""
    if not store.startswith("env:"):
        return store
    name = store.removeprefix("env:")
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"--store env:{name}: the variable {name} is not set or is empty")
    return value


def prepare_folder(folder: Path) -> Path:
    """Make the folder, or empty it of an earlier certificate; anything else in it is an error."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder}: is not a folder")
    strangers = sorted(entry.name for entry in folder.glob("*") if entry.name not in MADE)
    if strangers:
        raise UsageError(
            f"--out {folder}: holds other things than a certificate ({', '.join(strangers[:3])});"
            " give a new or empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in MADE:
        place = folder / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    return folder


def _fresh_folder() -> Path:
    return Path("out") / datetime.now(UTC).strftime("certificate-%Y%m%d-%H%M%S")
