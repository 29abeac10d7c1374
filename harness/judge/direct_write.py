"""Claim direct-write: the engine wrote next to nothing besides the volume and its blob.

What was passed to write calls (`wchar`, less what is known to have gone to pipes) is compared with
the volume's own writes, to the byte. The few writes in flight at the kill, which are allowed for in
full, may never have been made, so the excess is never less than the files that the system left.

A copy through mmap passes no write call. It shows in `write_bytes`, the pages that became dirty;
but so do larger pages of the kernel's cache and the file system's own blocks, hence too many pages
alone are no breach: they leave the claim undecided. It does not verify copies in memory or on a
tmpfs (the kernel counts neither as storage), or what the blob service does inside.
"""

from harness.judge.facts import DirectWrite, RunFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import DirectWriteBounds

__all__ = ["judge_direct_write"]

MIB = 1 << 20
GIB = 1 << 30


def judge_direct_write(facts: RunFacts, bounds: DirectWriteBounds) -> Ruling:
    """Demand that the sum over all trials stays in proportion to what was replicated."""
    ruling = Ruling(
        "direct-write",
        bound=f"at most {bounds.mib_per_gib:g} MiB written elsewhere for each GiB replicated, and"
        " no other object",
    )
    replicated = excess = pages = logs = allowed = 0
    modes: list[str] = []
    items: dict[str, int] = {}
    for trial in facts.trials:
        direct = trial.direct_write
        if direct is None:
            continue
        ruling.cite(*direct.evidence, *trial.evidence)
        _check_objects(trial.name, direct, ruling)
        if not direct.folders_on_disk:
            ruling.gaps.append(f"{trial.name}: a folder of the engine is on a tmpfs")
        if not direct.processes:
            ruling.gaps.append(f"{trial.name}: no process was measured")
            continue
        ruling.trials += 1
        replicated += direct.replicated_bytes
        excess += max(_in_calls(direct), _in_files(direct))
        pages += max(_in_pages(direct), 0)
        logs += direct.store_log
        allowed += direct.in_flight_bytes
        modes += [trial.mode] if trial.mode not in modes else []
        for item in direct.own_writes:
            items[item.what] = items.get(item.what, 0) + item.bytes
    ruling.exercised = replicated // MIB
    _weigh(ruling, bounds, replicated, excess, pages)
    listed = ", ".join(f"{what} {size} B" for what, size in sorted(items.items()))
    ruling.figure = (
        f"{excess} bytes elsewhere for {replicated / MIB:.1f} MiB replicated"
        + (f" (itemised: {listed})" if listed else "")
        + (f"; {allowed} B of writes in flight allowed for" if allowed else "")
        + (f"; measured in mode {' and '.join(sorted(modes))}" if modes else "")
        + f"; request log read in {logs} of {plural(ruling.trials, 'trial')}"
    )
    ruling.remark = "; ".join(_doubts(allowed, logless=logs < ruling.trials))
    return ruling


def _doubts(allowed: int, *, logless: bool) -> list[str]:
    """What the account cannot see, said beside a held verdict."""
    doubts = []
    if allowed:
        doubts.append(
            f"up to {allowed} bytes written elsewhere just before a kill could not be told from"
            " the guest's writes then in flight"
        )
    if logless:
        doubts.append(
            "the service's request log was not at hand everywhere: there, only the container's"
            " listing shows that no other object was written"
        )
    return doubts


def _weigh(
    ruling: Ruling, bounds: DirectWriteBounds, replicated: int, excess: int, pages: int
) -> None:
    """Compare the excess with the bound; with little replicated only a plain copy is a breach."""
    allowed = bounds.mib_per_gib * MIB * replicated / GIB
    enough = replicated >= bounds.replicated_mib * MIB
    if excess > allowed and (enough or excess * 2 >= replicated > 0):
        ruling.breaches.append(
            f"{excess} bytes were written elsewhere, {allowed:.0f} are allowed for"
            f" {replicated} bytes replicated"
        )
    elif pages > allowed:
        ruling.gaps.append(
            f"{pages} bytes of pages became dirty beyond the volume's, {allowed:.0f} are allowed"
            " for: a copy through mmap, or larger pages of the kernel's cache"
        )
    if not enough:
        ruling.gaps.append(
            f"only {replicated / MIB:.1f} MiB replicated, {bounds.replicated_mib:g} MiB demanded"
        )


def _check_objects(name: str, direct: DirectWrite, ruling: Ruling) -> None:
    if direct.other_objects:
        ruling.breaches.append(f"{name}: other objects: {', '.join(direct.other_objects[:5])}")
    if direct.store_log and direct.log_requests == 0:
        ruling.gaps.append(f"{name}: the request log shows no write at all")


def _in_pages(direct: DirectWrite) -> int:
    own = direct.volume_page_bytes or direct.volume_bytes
    own += direct.in_flight_page_bytes or direct.in_flight_bytes
    return sum(process.write_bytes for process in direct.processes) - own


def _in_files(direct: DirectWrite) -> int:
    return sum(item.bytes for item in direct.own_writes if item.storage)


def _in_calls(direct: DirectWrite) -> int:
    pipes = sum(item.bytes for item in direct.own_writes if not item.storage)
    own = direct.volume_bytes + direct.in_flight_bytes
    return sum(process.wchar for process in direct.processes) - own - pipes
