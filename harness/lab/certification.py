"""One certification: trials side by side, facts to the judges, evidence to a folder.

Waiting for a lease to expire costs no processor, so several trials run at once, each with its own
volume, engine processes, guest and blob; they share one blob service.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import structs

from harness.adapter import ReplicationSystem
from harness.errors import Inconclusive
from harness.evidence import (
    EvidenceFolder,
    RunRecord,
    Subject,
    write_run,
)
from harness.guest.accelerator import probe_accelerator
from harness.guest.build import GuestImages, find_guest_images
from harness.guest.disks import lasting_disk, nbd_disk
from harness.guest.qemu_command import GuestPlan
from harness.guest.vm import GuestVm
from harness.judge.certification import judge_run
from harness.judge.facts import RunFacts
from harness.lab.azurite import Azurite
from harness.lab.blob_view import BlobView
from harness.lab.last_look import ask_again
from harness.lab.plan import TrialPlan
from harness.lab.priority import PRIMARY_GUEST_NICE, set_nice
from harness.lab.recovery_room import RecoveryRoom
from harness.lab.scratch import Scratch
from harness.lab.simulation import Simulation
from harness.lab.stage import GuestMaker, Lab
from harness.lab.store_log import StoreLog
from harness.lab.surroundings import limits, machine, tested_against
from harness.lab.trial import TrialOutcome, run_trial
from harness.lab.waiting import StopSignal
from harness.parts import guest_cache
from harness.profile import Profile
from harness.simulation_record import SimulationRecord

__all__ = ["Progress", "Request", "certify"]

SCRATCH_BYTES: Final = 6 << 30
TRIALS_AT_ONCE: Final = 4
POLL_S: Final = 0.2
TRIES: Final = 3
"""A disaster whose preconditions did not hold (no write in flight, say) is staged again."""

Progress = Callable[[str, str], None]
"""Told (trial, what happens in it now)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to certify. `store` is the connection string of a running service; empty: Azurite."""

    profile: Profile
    plans: Sequence[TrialPlan]
    seed: int
    system: ReplicationSystem
    evidence: EvidenceFolder
    rpo_s: float
    store: str = field(default="", repr=False)
    progress: Progress = field(default=lambda _trial, _what: None)


def certify(request: Request, stop: StopSignal) -> RunRecord:
    """Run all trials, judge, and write DIR/evidence/run.json.

    Setting `stop` ends the run: what was started is stopped, what was found so far is written.
    `Inconclusive` if a part of the lab is missing or the blob service is down at the start.
    """
    started = datetime.now(UTC)
    images = _guest_images()
    accelerator = probe_accelerator(images)
    with Scratch(SCRATCH_BYTES) as scratch, _service(request, scratch) as (view, log):
        surroundings = machine(scratch.path)
        lab = Lab(
            system=request.system,
            view=view,
            store_log=log,
            scratch=scratch.path,
            evidence=request.evidence,
            stop=stop,
            make_guest=_guest_maker(images, accelerator),
            rpo_s=request.rpo_s,
            room=RecoveryRoom(max(1, os.cpu_count() or 1)),
            progress=request.progress,
        )
        outcomes = ask_again(lab, _run_all(lab, request.plans))
        simulation = _simulate(request, scratch, stop)
        service = view.version or "unknown"
    against = tested_against(service, accelerator)
    record = _record(request, outcomes, simulation, started, surroundings, against)
    record = structs.replace(record, interrupted=stop.is_set)
    write_run(request.evidence, record)
    return record


def _guest_images() -> GuestImages:
    images = find_guest_images(guest_cache())
    if images is None:
        raise Inconclusive(
            "the guest's kernel and initramfs are not built here, so no disaster can be staged;"
            " run `make setup`, and `mountproof doctor` to see what else is missing"
        )
    return images


def _guest_maker(images: GuestImages, accelerator: str) -> GuestMaker:
    @contextlib.contextmanager
    def make(
        role: str,
        options: Mapping[str, int],
        device: str,
        export: str,
        console: Path,
        *,
        lasting: bool,
    ) -> Iterator[GuestVm]:
        disk = lasting_disk(device, export) if lasting else nbd_disk(device, export)
        plan = GuestPlan(
            images,
            role,
            options,
            [disk],
            console,
            accelerator=accelerator,
            monitored=lasting,
        )
        with GuestVm(plan) as guest:
            # All sites share this machine's processors: a primary guest that boots for the next
            # disaster yields to the recoveries of the others, whose time is measured.
            set_nice(guest.pid, PRIMARY_GUEST_NICE)
            yield guest

    return make


@contextlib.contextmanager
def _service(request: Request, scratch: Scratch) -> Iterator[tuple[BlobView, StoreLog | None]]:
    """The blob service with a fresh container of this run, and its log if there is one."""
    with contextlib.ExitStack() as stack:
        log = None
        connection_string = request.store
        if not connection_string:
            request.progress("", "starting Azurite")
            azurite = stack.enter_context(Azurite(scratch.folder("azurite")))
            connection_string, log = azurite.connection_string, StoreLog(azurite.log)
        view = BlobView(connection_string)
        stack.callback(view.close)
        view.create_container()
        if request.store:
            stack.callback(view.delete_container)
        yield view, log


def _run_all(lab: Lab, plans: Sequence[TrialPlan]) -> list[TrialOutcome]:
    """All trials, some at once, in the order of the plans; fewer if the run was stopped."""
    pool = ThreadPoolExecutor(max_workers=TRIALS_AT_ONCE, thread_name_prefix="trial")
    futures = [pool.submit(_run_until_it_counts, lab, plan) for plan in plans]
    try:
        pending: set[Future[list[TrialOutcome]]] = set(futures)
        while pending and not lab.stop.is_set:
            _done, pending = wait(pending, timeout=POLL_S, return_when=FIRST_COMPLETED)
    except BaseException:
        lab.stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [outcome for future in futures if not future.cancelled() for outcome in future.result()]


def _run_until_it_counts(lab: Lab, plan: TrialPlan) -> list[TrialOutcome]:
    """Stage a disaster, again if it did not count; every attempt is evidence."""
    outcomes: list[TrialOutcome] = []
    for attempt in range(1, TRIES + 1):
        named = plan if attempt == 1 else replace(plan, name=f"{plan.name}-again-{attempt - 1}")
        outcomes.append(run_trial(lab, named))
        if not outcomes[-1].in_vain or lab.stop.is_set:
            break
    return outcomes


def _simulate(request: Request, scratch: Scratch, stop: StopSignal) -> SimulationRecord | None:
    """The simulated part; after the trials, for their times are measured."""
    if not request.profile.simulates:
        return None
    return Simulation(
        profile=request.profile,
        seed=request.seed,
        scratch=scratch.folder("simulation"),
        evidence=request.evidence,
        stop=stop,
        tell=lambda what: request.progress("simulation", what),
    ).run()


def _record(
    request: Request,
    outcomes: Sequence[TrialOutcome],
    simulation: SimulationRecord | None,
    started: datetime,
    surroundings: dict[str, str],
    against: dict[str, str],
) -> RunRecord:
    facts = RunFacts(trials=[outcome.facts for outcome in outcomes])
    identity = request.system.identity()
    return RunRecord(
        subject=Subject(
            name=identity.name, version=identity.version, source_digest=identity.source_digest
        ),
        profile=request.profile.name,
        seed=request.seed,
        started_at=_instant(started),
        finished_at=_instant(datetime.now(UTC)),
        environment=surroundings,
        tested_against=against,
        limits=limits(
            against["blob service"],
            max((max(plan.volume_bytes, plan.grown_bytes) for plan in request.plans), default=0),
            simulated=simulation is not None,
        ),
        claims=judge_run(facts, request.profile, simulation),
        trials=[outcome.trial for outcome in outcomes],
        internal_errors=[outcome.internal_error for outcome in outcomes if outcome.internal_error],
        simulation=simulation,
    )


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
