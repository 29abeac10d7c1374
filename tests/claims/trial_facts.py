"""Facts of a run in which everything went well; each test spoils one of them."""

from typing import Any

from msgspec.structs import replace

from harness.judge.facts import (
    BootOutcome,
    ConsumableSample,
    DirectWrite,
    FenceOutcome,
    LedgerOutcome,
    Mode,
    Order,
    OwnWrite,
    ProcessIo,
    RawImageJudgement,
    RtoFigures,
    RunFacts,
    TrialFacts,
)

MIB = 1 << 20


def ledger(**changes: object) -> LedgerOutcome:
    facts: dict[str, Any] = {
        "acked_before_kill": 150,
        "last_acked_index": 149,
        "recovered_entries": 151,
        "chain_ok": True,
        "lost_entries": 0,
        "entry_in_flight": True,
        "evidence": "evidence/ledger.txt",
    }
    return replace(LedgerOutcome(**facts), **changes)


def raw(**changes: object) -> RawImageJudgement:
    facts: dict[str, Any] = {
        "verdict": "admissible",
        "pages_checked": 131072,
        "pages_written": 5000,
        "writes_invoked": 400,
        "writes_completed": 396,
        "writes_demanded": 390,
        "in_flight_at_kill": 4,
        "lost_writes": 0,
        "lost_bytes": 0,
        "oldest_lost_age_s": 0.0,
        "evidence": "evidence/history.txt",
    }
    return replace(RawImageJudgement(**facts), **changes)


def rto(mounted: float = 12.0, **changes: object) -> RtoFigures:
    facts: dict[str, Any] = {
        "failed_at_s": 5.0,
        "declared_at_s": 8.2,
        "fenced_at_s": 8.3,
        "handed_over_at_s": 8.4,
        "vm_started_at_s": 8.5,
        "guest_mounted_at_s": 5.0 + mounted,
        "verified_at_s": 5.5 + mounted,
        "evidence": "evidence/standby.log",
    }
    return replace(RtoFigures(**facts), **changes)


def boot(**changes: object) -> BootOutcome:
    facts: dict[str, Any] = {
        "booted": True,
        "mounted": True,
        "verified": True,
        "fsck_exit": 0,
        "straight_from_blob": True,
        "evidence": ["evidence/guest.txt"],
    }
    return replace(BootOutcome(**facts), **changes)


def direct(**changes: object) -> DirectWrite:
    facts: dict[str, Any] = {
        "processes": [
            ProcessIo(process="primary", write_bytes=80 * MIB + 8192, wchar=80 * MIB + 9000),
            ProcessIo(process="standby", write_bytes=0, wchar=700),
        ],
        "volume_bytes": 80 * MIB,
        "own_writes": [OwnWrite(what="event lines", bytes=1500, storage=False)],
        "replicated_bytes": 80 * MIB,
        "store_log": True,
        "log_requests": 320,
        "evidence": ["evidence/io.json"],
    }
    return replace(DirectWrite(**facts), **changes)


def fence(**changes: object) -> FenceOutcome:
    facts: dict[str, Any] = {
        "in_flight_at_stop": 2,
        "queued_at_stop": 3,
        "failover_done": True,
        "refused_after_resume": 2,
        "applied_after_resume": 0,
        "acked_after_failover": 0,
        "digest_before": "ab" * 32,
        "digest_after": "ab" * 32,
        "evidence": ["evidence/fence.json"],
    }
    return replace(FenceOutcome(**facts), **changes)


def sample(**changes: object) -> ConsumableSample:
    facts: dict[str, Any] = {
        "at_s": 3.0,
        "moment": "load",
        "ok": True,
        "evidence": "evidence/samples.json",
    }
    return replace(ConsumableSample(**facts), **changes)


def kill(name: str, mode: Mode, **changes: object) -> TrialFacts:
    facts: dict[str, Any] = {
        "name": name,
        "mode": mode,
        "order": "flush",
        "kind": "kill",
        "samples": [sample() for _ in range(6)] + [sample(moment="kill")],
        "ledger": ledger(),
        "rto": rto(),
        "boot": boot(),
    }
    return replace(TrialFacts(**facts), **changes)


def raw_trial(name: str, order: Order, **changes: object) -> TrialFacts:
    facts: dict[str, Any] = {
        "name": name,
        "mode": "async",
        "order": order,
        "kind": "raw",
        "samples": [sample(moment="kill")],
        "raw": raw(),
        "direct_write": direct(),
    }
    return replace(TrialFacts(**facts), **changes)


def good_trials() -> list[TrialFacts]:
    modes: list[Mode] = ["sync", "sync-on-flush", "async"]
    kills = [kill(f"{mode}-{turn}", mode) for mode in modes for turn in (1, 2, 3)]
    fenced = TrialFacts(
        name="fence-1",
        mode="sync",
        order="flush",
        kind="fence",
        samples=[sample()],
        fence=fence(),
    )
    return [*kills, raw_trial("raw-1", "strict"), raw_trial("raw-2", "flush"), fenced]


def run_with(**replaced: TrialFacts) -> RunFacts:
    """A good run with one of its trials replaced; the key is its name with underscores."""
    names = {key.replace("_", "-"): trial for key, trial in replaced.items()}
    return RunFacts(trials=[names.get(trial.name, trial) for trial in good_trials()])
