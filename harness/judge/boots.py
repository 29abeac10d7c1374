"""Claim boots: the recovery guest took the disk straight from the blob and verified it.

It does not verify boot loaders, firmware, other hypervisors, or file systems that the guest only
reads.
"""

from harness.judge.facts import BootOutcome, RunFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import BootsBounds

__all__ = ["judge_boots"]


def judge_boots(facts: RunFacts, bounds: BootsBounds) -> Ruling:
    """Demand a booted, mounted and verified guest at every kill."""
    ruling = Ruling(
        "boots",
        bound=f"booted, mounted and verified straight from the blob, in at least"
        f" {plural(bounds.trials, 'kill')}",
    )
    mounted = 0
    accelerators: set[str] = set()
    for trial in facts.trials:
        boot = trial.boot
        if boot is None:
            continue
        ruling.cite(*boot.evidence, *trial.evidence)
        fault = _fault(boot)
        if fault:
            ruling.breaches.append(f"{trial.name}: {fault}")
            continue
        gap = _gap(boot) or ("" if trial.counted else trial.why_not_counted or "does not count")
        if gap:
            ruling.gaps.append(f"{trial.name}: {gap}")
            continue
        ruling.trials += 1
        mounted += boot.mounted is True
        accelerators.add(boot.accelerator)
    ruling.exercised = ruling.trials
    ruling.figure = (
        f"{ruling.trials} booted and verified, {mounted} of them with a mounted file system"
        + (f" (accelerator {', '.join(sorted(accelerators))})" if accelerators else "")
    )
    ruling.demand(bounds.trials, "counted boot")
    return ruling


def _fault(boot: BootOutcome) -> str:
    """Say what the disk is to blame for, or the empty string."""
    if boot.lab_failure:
        return ""
    why = f" ({boot.reason})" if boot.reason else ""
    if not boot.booted:
        return f"the guest did not come up{why}"
    if boot.mounted is False:
        return f"the disk did not mount{why}"
    if boot.verified is False:
        return f"the content is not what was written{why}"
    if boot.fsck_exit:
        return f"e2fsck -fn exited {boot.fsck_exit} after the unmount"
    return ""


def _gap(boot: BootOutcome) -> str:
    """Say why the boot shows nothing, or the empty string."""
    if boot.lab_failure:
        return f"the lab failed: {boot.lab_failure}"
    if not boot.straight_from_blob:
        return "the guest's disk did not come straight from the blob"
    if boot.verified is None:
        return "the guest did not come as far as verifying"
    if boot.mounted and boot.fsck_exit is None:
        return "e2fsck did not run after the unmount"
    return ""
