"""Claim resize-faithful: after every grow and shrink, blob and volume have one size and content.

It does not verify crash points other than those that the cut trials hit (the simulation crashes at
every request), partition tables, or file systems other than the guest's ext4.
"""

from harness.judge.facts import ResizeOutcome, ResizeStep, RunFacts, TrialFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import ResizeFaithfulBounds

__all__ = ["judge_resize_faithful"]

MIB = 1 << 20


def judge_resize_faithful(facts: RunFacts, bounds: ResizeFaithfulBounds) -> Ruling:
    """Demand whole resizes that the guest followed, and recovered disks after cut ones."""
    ruling = Ruling(
        "resize-faithful",
        bound=f"size, footer and content right after every resize, in at least"
        f" {plural(bounds.trials, 'volume')} that grew and shrank and"
        f" {plural(bounds.cuts, 'site')} that died inside a resize",
    )
    resized = cuts = during = 0
    for trial in facts.trials:
        if trial.resize is None:
            continue
        ruling.cite(trial.resize.evidence, *trial.evidence)
        _check(trial, trial.resize, ruling)
        gap = _gap(trial, trial.resize)
        if gap:
            ruling.gaps.append(f"{trial.name}: {gap}")
        elif trial.resize.cut:
            cuts += 1
        else:
            ruling.trials += 1
        done = [step for step in trial.resize.steps if step.disk_bytes is not None]
        resized += len(done)
        during += sum(step.entries_during for step in done)
    ruling.exercised = resized + cuts
    ruling.figure = (
        f"{plural(resized, 'resize')} done with {plural(during, 'entry')} acknowledged meanwhile;"
        f" {plural(cuts, 'site')} died inside one"
    )
    _close(ruling, bounds, cuts)
    return ruling


def _close(ruling: Ruling, bounds: ResizeFaithfulBounds, cuts: int) -> None:
    enough = cuts >= bounds.cuts
    if enough:
        ruling.demand(bounds.trials, "volume")
    else:
        ruling.gaps.append(f"{plural(cuts, 'site')} died inside a resize, {bounds.cuts} demanded")


def _check(trial: TrialFacts, resize: ResizeOutcome, ruling: Ruling) -> None:
    for step in resize.steps:
        fault = _fault(step)
        if fault:
            ruling.breaches.append(f"{trial.name}: {step.kind} to {step.to_bytes} bytes: {fault}")
    if resize.recovered_bytes not in resize.possible_bytes:
        ruling.breaches.append(
            f"{trial.name}: the recovered disk has {resize.recovered_bytes} bytes, possible were"
            f" {' or '.join(map(str, resize.possible_bytes))}"
        )
    bad = [sample for sample in trial.samples if sample.moment == "kill" and sample.ok is False]
    ruling.breaches += [f"{trial.name}: the recovered disk: {sample.reason}" for sample in bad]


def _fault(step: ResizeStep) -> str:
    """What is wrong right after a resize that the system called done, or the empty string."""
    looked = step.disk_bytes is not None or step.reason or step.spare_zero is not None
    if step.refused or not looked:
        return ""
    if step.disk_bytes is None:
        return f"no valid VHD ({step.reason})"
    wanted = -(-step.to_bytes // MIB) * MIB
    if step.disk_bytes != wanted:
        return f"the disk has {step.disk_bytes} bytes instead of {wanted}"
    return "what was gained, or pads the disk, is not zero" if step.spare_zero is False else ""


def _gap(trial: TrialFacts, resize: ResizeOutcome) -> str:
    """Say why the trial shows nothing, or the empty string."""
    refused = [f"{step.kind} was not done: {step.refused}" for step in resize.steps if step.refused]
    if refused:
        return refused[0]
    if not trial.counted:
        return trial.why_not_counted or "does not count"
    if resize.cut:
        return "" if resize.unfinished_at_kill else "the site did not die inside the resize"
    unseen = [step.kind for step in resize.steps if step.guest_bytes is None]
    if unseen or {step.kind for step in resize.steps} != {"grow", "shrink"}:
        return "the volume did not both grow and shrink with its guest following"
    if trial.boot is None or trial.boot.verified is None:
        return "no guest verified the recovered disk"
    return ""
