"""A realistic run to report on: nine kills, a raw one and a fencing, with raw outputs on disk.

Everything is drawn from one seed, so the same call gives the same evidence, byte for byte.
"""

import random
from pathlib import Path
from typing import Final

import msgspec

from harness.evidence import (
    ClaimResult,
    EvidenceFolder,
    ProofStep,
    ProofVerdict,
    RunRecord,
    Subject,
    TimelineEvent,
    Trial,
    Verdict,
    write_run,
)
from harness.simulation_record import (
    Boots,
    Exploration,
    KillMatrix,
    Mutant,
    SimulatedFinding,
    SimulationRecord,
    Swarm,
)

MODES: Final = ("sync", "sync-on-flush", "async")
PROVERS: Final[dict[str, tuple[str, float]]] = {
    "strict validator": ("valid fixed VHD of 67,108,864 bytes; no stale footer inside", 0.04),
    "qemu-img info": ("vpc, virtual size 67,108,864 bytes", 0.11),
    "qemu-io": ("first and last sector read", 0.16),
    "libvhdi": ("fixed, 67,108,864 bytes, digest 5f1c…a90e", 0.35),
    "dissect.hypervisor": ("67,108,864 bytes, digest 5f1c…a90e", 0.41),
    "vm": ("mounted read-write, 412 ledger entries verified, e2fsck -fn exit 0", 3.12),
}
OUTPUTS: Final[dict[str, str]] = {
    "strict validator": '{"cookie": "conectix", "current_size": 67108864, "findings": []}\n',
    "qemu-img info": "image: http://127.0.0.1:10000/acc/dr/db.vhd\nfile format: vpc\n"
    "virtual size: 64 MiB (67108864 bytes)\n",
    "vm": "step probe fs=ext4 ms=4\nstep mount rw=1 ms=61\nledger entries=412 ok=1\n"
    "step unmount ms=12\ne2fsck 1.47.0: clean, 14/16384 files\nend verdict=good\n",
}


def sample_run(root: Path, record: RunRecord | None = None) -> RunRecord:
    """Write a run with all the files that it names below `root`, and return its record."""
    folder = EvidenceFolder(root)
    record = record or sample_record()
    for trial in record.trials:
        for path in trial.evidence:
            folder.write_text(path, f"log of {trial.name}\n")
        for proof in trial.proofs:
            folder.write_text(proof.raw, OUTPUTS.get(proof.prover, f"{proof.summary}\n"))
    for claim in record.claims:
        for path in claim.evidence:
            folder.write_text(path, f"facts about {claim.id}\n")
    write_run(folder, record)
    return record


def sample_record() -> RunRecord:
    """Make the record of a run in which every demanded claim held."""
    dice = random.Random(7)
    trials = [_kill(mode, number, dice) for mode in MODES for number in (1, 2, 3)]
    trials += [_uncounted(dice), _raw(dice), _fence(dice)]
    return RunRecord(
        subject=Subject("mountproof reference engine", "0.1.0", "3b" * 32),
        profile="first",
        seed=20261122,
        started_at="2026-11-22T22:31:04+00:00",
        finished_at="2026-11-22T22:33:51+00:00",
        environment={
            "cpu": "2 cores, x86-64",
            "kernel": "6.1.0-18-amd64",
            "system": "Debian 12",
            "accelerator": "tcg",
            "python": "3.11.7",
        },
        tested_against={"azurite": "3.37.0", "qemu": "7.2.22", "libvhdi": "20260901"},
        limits=[
            "The blob service was Azurite, not Azure: its speed and its durability differ.",
            "Guests ran under emulation (TCG); times under KVM will be shorter.",
            "Processes were killed, but no machine lost its power.",
            "One machine held both sites: nothing is said about slow or broken networks.",
        ],
        claims=sample_claims(),
        trials=trials,
    )


def sample_claims() -> list[ClaimResult]:
    """Make the eight demanded claims, held, and three that nobody demanded."""
    held = [
        ("consumable", "at every kill and 50 instants", "no bad instant", 74, 10),
        ("crash-consistent", "no finding", "1,204 ordered pairs, no finding", 1204, 2),
        ("no-acked-loss", "0 entries", "0 of 2,481 acknowledged entries lost", 2481, 6),
        ("rpo", "at most 5 s", "worst 1.21 s, median 0.74 s", 3, 3),
        ("rto", "at most 30 s", "worst 21.90 s, median 8.32 s", 9, 9),
        ("direct-write", "at most 1 MiB per GiB", "0.02 MiB per GiB", 10, 10),
        ("fenced", "1 refused write, digest unchanged", "4 refused, unchanged", 4, 1),
        ("boots", "every recovered disk", "9 of 9 mounted and verified", 9, 9),
    ]
    claims = [
        ClaimResult(
            name,
            Verdict.HELD,
            bound,
            figure,
            exercised,
            f"{trials} counted trials stand behind this figure.",
            [f"evidence/claims/{name}.json"],
            trials,
        )
        for name, bound, figure, exercised, trials in held
    ]
    return claims + [
        ClaimResult(name, Verdict.NOT_DEMANDED, "", "", 0, "not demanded by this profile", [])
        for name in ("resize-faithful", "metadata-faithful", "live")
    ]


def with_claim(record: RunRecord, changed: ClaimResult) -> RunRecord:
    """Put another result in the place of the claim with the same id."""
    claims = [changed if claim.id == changed.id else claim for claim in record.claims]
    return msgspec.structs.replace(record, claims=claims)


def _kill(mode: str, number: int, dice: random.Random) -> Trial:
    name = f"{mode}-kill-{number}"
    failed = round(dice.uniform(9, 16), 2)
    wait = dice.uniform(11, 14) if mode == "async" else dice.uniform(0.1, 0.3)
    declared = failed + dice.uniform(3.0, 3.4)
    fenced = declared + wait
    handed = fenced + dice.uniform(0.05, 0.2)
    mounted = handed + dice.uniform(2.6, 3.4)
    lost = dice.uniform(0.3, 1.3) if mode == "async" else 0.0
    instants = (failed, declared, fenced, handed, mounted, mounted + dice.uniform(0.4, 0.8))
    return Trial(
        name=name,
        mode=mode,
        order="flush",
        kind="kill",
        seed=dice.randrange(10**9),
        counted=True,
        why_not_counted="",
        facts={
            "ledger.acked_before_kill": 412,
            "ledger.entry_in_flight": True,
            "ledger.oldest_lost_age_s": round(lost, 3),
            "direct_write.replicated_bytes": 9_437_184,
            **dict(zip(_INSTANTS, (round(i, 3) for i in instants), strict=True)),
        },
        timeline=_timeline(instants, mode, dice),
        proofs=_proofs(name),
        evidence=[f"evidence/{name}/primary.log", f"evidence/{name}/recovery-guest.command.txt"],
    )


_INSTANTS: Final = (
    "rto.failed_at_s",
    "rto.declared_at_s",
    "rto.fenced_at_s",
    "rto.handed_over_at_s",
    "rto.guest_mounted_at_s",
    "rto.verified_at_s",
)


def _timeline(instants: tuple[float, ...], mode: str, dice: random.Random) -> list[TimelineEvent]:
    failed, declared, fenced, handed, mounted, verified = instants
    at = 3.4
    events = [
        TimelineEvent(0.1, "boot", "span", "primary guest starts", until_s=3.1),
        TimelineEvent(0.4, "replication", "span", "seeding", until_s=1.2),
        TimelineEvent(1.2, "replication", "point", "protected"),
        TimelineEvent(failed, "faults", "point", "SIGKILL guest and primary"),
        TimelineEvent(failed + 0.4, "faults", "point", "volume and state moved out of reach"),
        TimelineEvent(declared - 1.4, "detection", "point", "suspected"),
        TimelineEvent(declared, "detection", "point", "failure declared"),
        TimelineEvent(
            declared,
            "failover",
            "span",
            "wait for lease to expire" if mode == "async" else "break lease",
            until_s=fenced,
        ),
        TimelineEvent(handed, "failover", "point", "disk handed over"),
        TimelineEvent(handed, "boot", "span", "recovery VM starts", until_s=mounted),
        TimelineEvent(mounted, "boot", "span", "verify ledger, e2fsck", until_s=verified),
        TimelineEvent(verified, "boot", "point", "verified"),
    ]
    while at < failed:
        events.append(TimelineEvent(at, "workload", "point", f"ack {len(events)}"))
        at += dice.expovariate(40)
    tick = 1.4
    while tick < failed:
        lag = dice.uniform(0.2, 1.6) if mode == "async" else dice.uniform(0, 0.05)
        events.append(TimelineEvent(tick, "replication", "sample", "lag seconds", lag))
        events.append(
            TimelineEvent(tick, "store", "sample", "puts in flight", float(dice.randrange(5)))
        )
        tick += 0.2
    return events


def _proofs(name: str, bad: str = "") -> list[ProofStep]:
    steps = []
    for prover, (summary, took) in PROVERS.items():
        verdict: ProofVerdict = "bad" if prover == bad else "good"
        raw = f"evidence/{name}/prove/{prover.replace(' ', '-')}.txt"
        consumers = ["qemu"] if prover.startswith("qemu") else ["azure", "qemu"]
        steps.append(ProofStep(prover, verdict, summary, took, raw, consumers))
    return steps


def _uncounted(dice: random.Random) -> Trial:
    trial = _kill("async", 4, dice)
    return msgspec.structs.replace(
        trial, counted=False, why_not_counted="no write was in flight at the kill"
    )


def _raw(dice: random.Random) -> Trial:
    trial = _kill("sync", 4, dice)
    return msgspec.structs.replace(
        trial, name="raw-strict-1", kind="raw", order="strict", proofs=_proofs("raw-strict-1")
    )


def _fence(dice: random.Random) -> Trial:
    trial = _kill("sync", 5, dice)
    failed = float(trial.facts["rto.failed_at_s"])
    back = float(trial.facts["rto.verified_at_s"]) + 0.6
    events = [event for event in trial.timeline if event.lane != "faults"]
    events += [
        TimelineEvent(failed, "faults", "span", "primary paused (SIGSTOP)", until_s=back),
        TimelineEvent(back, "faults", "point", "SIGCONT"),
        TimelineEvent(back + 0.1, "store", "point", "412 LeaseLost: put refused"),
        TimelineEvent(back + 0.3, "replication", "point", "old primary: fenced"),
    ]
    return msgspec.structs.replace(
        trial,
        name="fence-1",
        kind="fence",
        timeline=events,
        proofs=_proofs("fence-1"),
        facts={
            **trial.facts,
            "fence.in_flight_at_stop": 3,
            "fence.refused_after_resume": 4,
            "fence.digest_before": "9a" * 32,
            "fence.digest_after": "9a" * 32,
        },
    )


def with_simulation(record: RunRecord, *, stale: bool = False) -> RunRecord:
    """Put a simulated part beside the trials: one finding, one fault that never struck."""
    claims = ("consumable", "crash-consistent", "fenced", "live", "no-acked-loss", "ordered-once")
    finding = SimulatedFinding(
        claim="fenced", cause="acknowledged-after-the-mount", found_by="swarm", times=3, steps=7,
        text="operation 4 was acknowledged after standby <b>had</b> mounted",
        schedule="evidence/simulation/findings/swarm-1-fenced.json",
    )  # fmt: skip
    bugs = [
        ("ack-before-put", "no-acked-loss", True, 3.0, 4),
        ("grow-footer-first", "resize-faithful", True, 41.0, 6),
        ("quiet-lag", "status-honest", False, 0.0, 0),
    ]
    simulation = SimulationRecord(
        swarm=Swarm(
            seed=20261122, disasters=4000, seconds=7.3, digest="5e" * 16,
            exercised={claim: 10 ** (number + 1) for number, claim in enumerate(claims)},
            fired={"kill": 1210, "zombie": 377, "torn-cache": 9, "clock-jump": 0},
            steps_mean=50.2, store_requests_mean=63.8, run_twice=200, interrupted=False,
            evidence="evidence/simulation/swarm.json",
        ),
        exploration=Exploration(
            runs={"pair": 2136, "grow": 801}, pairs=2000, seconds=5.2, exercised={"live": 2937},
            evidence="evidence/simulation/explore.json",
        ),
        boots=Boots(images=11, booted=10, refused=1, pages=116736, boot_s=0.21,
                    verdict="good", missing=[]),
        kill_matrix=KillMatrix(
            digest="ab" * 32, made_at="2026-11-22T21:00:00+00:00", stale=stale,
            mutants=[
                Mutant(name=name, claim=claim, caught=caught, caught_by=claim if caught else "",
                       disasters=needed, steps=steps, missed_without=caught,
                       also_caught_by=["live"] if caught else [])
                for name, claim, caught, needed, steps in bugs
            ],
        ),
        findings=[finding],
    )  # fmt: skip
    return msgspec.structs.replace(record, simulation=simulation)
