"""Claim no-acked-loss: after every kill in a synchronous mode, all that was announced is there.

It does not verify the blob service's own durability, power loss at the primary, or writes that the
guest had not flushed in the mode sync-on-flush.
"""

from harness.judge.facts import LedgerOutcome, RunFacts, TrialFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import NoAckedLossBounds

__all__ = ["judge_no_acked_loss", "ledger_gap"]


def judge_no_acked_loss(facts: RunFacts, bounds: NoAckedLossBounds) -> Ruling:
    """Demand no lost entry over `trials` kills in each mode named."""
    ruling = Ruling(
        "no-acked-loss",
        bound=f"0 acknowledged entries lost in at least {plural(bounds.trials, 'kill')} in each of"
        f" the modes {', '.join(bounds.modes)}",
    )
    kills: dict[str, int] = dict.fromkeys(bounds.modes, 0)
    announced = entries = lost = crashes = 0
    for trial in facts.trials:
        if trial.mode not in kills:
            continue
        _check_raw(trial, ruling)
        ledger = trial.ledger
        if ledger is None:
            continue
        announced += ledger.acked_before_kill
        lost += ledger.lost_entries
        if _kept(trial, ledger, ruling, bounds.acknowledged):
            kills[trial.mode] += 1
            crashes += trial.kind == "crash"
            entries += ledger.acked_before_kill
    ruling.trials, ruling.exercised = sum(kills.values()), entries
    ruling.figure = f"{lost} lost of {announced} acknowledged entries in " + ", ".join(
        f"{plural(count, 'kill')} ({mode})" for mode, count in kills.items()
    )
    if crashes:
        ruling.figure += f"; {crashes} of them after a crash of the replicator"
    ruling.demand_each(kills, bounds.trials, "counted kill")
    if crashes < bounds.crashes:
        found = plural(crashes, "kill")
        ruling.gaps.append(f"{found} after a replicator's crash, {bounds.crashes} demanded")
    return ruling


def ledger_gap(trial: TrialFacts, ledger: LedgerOutcome, acknowledged: int) -> str:
    """Say why a kill says nothing, or the empty string if it counts."""
    if not trial.counted:
        return f"{trial.name} does not count: {trial.why_not_counted or 'no reason given'}"
    if ledger.chain_ok is None:
        return f"{trial.name}: the ledger could not be read ({ledger.reason or 'no reason given'})"
    if ledger.acked_before_kill < acknowledged:
        return (
            f"{trial.name}: only {ledger.acked_before_kill} acknowledged entries before the kill,"
            f" {acknowledged} demanded"
        )
    if not ledger.entry_in_flight:
        return f"{trial.name}: no write was in flight at the kill"
    return ""


def _kept(trial: TrialFacts, ledger: LedgerOutcome, ruling: Ruling, acknowledged: int) -> bool:
    """Tell whether the kill counts for the claim.

    A loss or a broken chain is a breach whether or not the trial counts.
    """
    ruling.cite(ledger.evidence, *trial.evidence)
    if ledger.lost_entries > 0:
        ruling.breaches.append(
            f"{trial.name} ({trial.mode}): {plural(ledger.lost_entries, 'acknowledged entry')}"
            f" lost, the oldest {ledger.oldest_lost_age_s:.2f} s before the kill"
        )
    if ledger.chain_ok is False:
        ruling.breaches.append(
            f"{trial.name} ({trial.mode}): the recovered ledger is not the announced chain"
            f" ({ledger.reason or 'no reason given'})"
        )
    gap = ledger_gap(trial, ledger, acknowledged)
    if gap:
        ruling.gaps.append(gap)
    return not gap and ledger.lost_entries <= 0 and ledger.chain_ok is True


def _check_raw(trial: TrialFacts, ruling: Ruling) -> None:
    raw = trial.raw
    if raw is not None and raw.loss_story:
        ruling.cite(raw.evidence, *trial.evidence)
        ruling.breaches.append(f"{trial.name} ({trial.mode}): {' '.join(raw.loss_story)}")
