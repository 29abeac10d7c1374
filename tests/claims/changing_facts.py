"""Facts of trials in which volumes changed and all went well, and of a clean simulation."""

from typing import Any

from msgspec.structs import replace

from harness.judge.facts import (
    PointCheck,
    PointsOutcome,
    PropertiesOutcome,
    PropertyCheck,
    ResizeOutcome,
    ResizeStep,
    TrialFacts,
)
from harness.simulation_record import SimulatedFinding, SimulationRecord, Swarm
from tests.claims import trial_facts as good

MIB = 1 << 20
GROWN = 100 * MIB + 512


def step(**changes: object) -> ResizeStep:
    facts: dict[str, Any] = {
        "kind": "grow",
        "from_bytes": 64 * MIB,
        "to_bytes": GROWN,
        "seconds": 0.2,
        "entries_during": 3,
        "disk_bytes": 101 * MIB,
        "spare_zero": True,
        "guest_bytes": 100 * MIB,
    }
    return replace(ResizeStep(**facts), **changes)


def shrink(**changes: object) -> ResizeStep:
    small: dict[str, Any] = {
        "kind": "shrink",
        "from_bytes": GROWN,
        "to_bytes": 40 * MIB,
        "disk_bytes": 40 * MIB,
    }
    return step(**{**small, **changes})


def resize(**changes: object) -> ResizeOutcome:
    facts: dict[str, Any] = {
        "steps": [step(), shrink()],
        "recovered_bytes": 40 * MIB,
        "possible_bytes": [40 * MIB],
        "evidence": "evidence/resizes.json",
    }
    return replace(ResizeOutcome(**facts), **changes)


def cut(**changes: object) -> ResizeOutcome:
    unseen = step(disk_bytes=None, spare_zero=None, guest_bytes=None)
    facts: dict[str, Any] = {
        "steps": [unseen],
        "cut": True,
        "unfinished_at_kill": "grow",
        "recovered_bytes": 101 * MIB,
        "possible_bytes": [64 * MIB, 101 * MIB],
    }
    return resize(**{**facts, **changes})


def point(**changes: object) -> PointCheck:
    facts: dict[str, Any] = {
        "snapshot": "2026-11-25T22:42:09.9140000Z",
        "kind": "request",
        "told_bytes": 64 * MIB,
        "disk_bytes": 64 * MIB,
        "ok": True,
        "entries": 25,
        "evidence": "evidence/point.txt",
    }
    return replace(PointCheck(**facts), **changes)


def points(**changes: object) -> PointsOutcome:
    facts: dict[str, Any] = {"asked": 1, "listed": True, "points": [point(), point(entries=None)]}
    return replace(PointsOutcome(**facts), **changes)


def properties(**changes: object) -> PropertiesOutcome:
    told: dict[str, Any] = {
        "what": "label in the metadata",
        "moment": "grown",
        "expected": "mine",
        "found": "mine",
    }
    check = replace(PropertyCheck(**told), **changes)
    return PropertiesOutcome(checks=[check], evidence="evidence/properties.json")


def resized(name: str, **changes: object) -> TrialFacts:
    facts: dict[str, object] = {
        "kind": "resize",
        "resize": resize(),
        "points": points(),
        "properties": properties(),
    }
    return good.kill(name, "sync", **{**facts, **changes})


def simulation(*findings: SimulatedFinding, **changes: object) -> SimulationRecord:
    facts: dict[str, Any] = {
        "seed": 1,
        "disasters": 5000,
        "seconds": 9.0,
        "digest": "ab" * 16,
        "exercised": {"live": 5000, "ordered-once": 90000, "no-acked-loss": 70},
        "fired": {"kill": 900, "zombie": 300},
        "steps_mean": 50.0,
        "store_requests_mean": 60.0,
        "run_twice": 250,
        "interrupted": False,
        "evidence": "evidence/simulation/swarm.json",
    }
    return SimulationRecord(swarm=Swarm(**{**facts, **changes}), findings=list(findings))
