"""A run written by hand: what happened, line by line, shown to all checkers as a runner would."""

# ruff: noqa: ANN401 - keywords are passed on as they are

from collections.abc import Mapping
from typing import Any

from engine.vhd import Footer, build_footer
from harness.checkers.catalogue import make_checkers
from harness.checkers.observation import BASE, Mounted, Operation, RunSetup, StatusSample
from harness.checkers.panel import Panel
from harness.sim.blob_requests import (
    ClearPages,
    CreateBlob,
    DeleteBlob,
    PutPages,
    Request,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)
from harness.sim.blob_state import EtagSource
from harness.sim.page_blob import PageBlob

MIB = 1 << 20
PAGE = 512
VOLUME_ID = "00112233445566778899aabbccddeeff"


def footer(size_bytes: int, unique_id: str = VOLUME_ID) -> bytes:
    return build_footer(Footer(size_bytes, 1_700_000_000, bytes.fromhex(unique_id)))


class Run:
    """A volume of 2 MiB with a blob that equals it and is protected, until the test says more."""

    def __init__(self, *, seeded: bool = True, base: dict[int, int] | None = None,
                 **setup: Any) -> None:  # fmt: skip
        chosen = {
            "mode": "sync", "order": "strict", "volume_bytes": 2 * MIB, "rpo_us": 1_000_000,
            "rpo_bytes": 8192, "live_us": 1, "volume_id": VOLUME_ID, "label": "tapes",
            "points_keep": 2, **setup,
        }  # fmt: skip
        self.setup = RunSetup(base=base or {}, **chosen)
        self.panel = Panel(make_checkers())
        self.blob = PageBlob("db", EtagSource())
        self.now_us = 0
        self.ops = 0
        self.map = {
            "version": "1", "term": "1", "owner": "primary", "mark": "none", "volume_name": "db",
            "volume_id": VOLUME_ID, "label": "tapes", "mode": chosen["mode"],
            "order": chosen["order"], "volume_bytes": str(chosen["volume_bytes"]),
        }  # fmt: skip
        self.panel.started(self.setup)
        if seeded:
            self.seed()

    # ── what came of it ───────────────────────────────────────────────────────────────────────

    def found(self) -> set[tuple[str, str]]:
        return {(finding.claim, finding.cause) for finding in self.panel.findings}

    def claims(self) -> set[str]:
        return {finding.claim for finding in self.panel.findings}

    def exercised(self, claim: str) -> int:
        return self.panel.exercised[claim]

    # ── clients ───────────────────────────────────────────────────────────────────────────────

    def begin(self, kind: str, first: int = 0, pages: int = 1, *, fua: bool = False,
              volume_bytes: int = 0, lands: bool = True) -> Operation:  # fmt: skip
        """An operation is invoked and, if it `lands`, takes effect in the volume."""
        self.ops += 1
        operation = Operation(
            self.ops, kind, first, pages, volume_bytes, fua=fua,  # type: ignore[arg-type]
        )  # fmt: skip
        self.panel.invoked(self.now_us, operation)
        if lands and kind in ("write", "zero", "resize"):
            self.panel.local(self.now_us, operation)
        return operation

    def end(self, operation: Operation, *, error: int = 0, promised: bool = True) -> int:
        operation.error, operation.promised = error, promised and not error
        self.panel.completed(self.now_us, operation)
        return operation.op

    def write(self, first: int, pages: int = 1, **how: Any) -> Operation:
        return self.begin("write", first, pages, **how)

    def zero(self, first: int, pages: int = 1, **how: Any) -> Operation:
        return self.begin("zero", first, pages, **how)

    def flush(self, **how: Any) -> None:
        self.end(self.begin("flush"), **how)

    def replicated(self, first: int, pages: int = 1, **how: Any) -> int:
        """A write as it should be: put, then acknowledged."""
        operation = self.write(first, pages)
        self.put(first, *[operation.op] * pages)
        return self.end(operation, **how)

    # ── store ─────────────────────────────────────────────────────────────────────────────────

    def apply(self, request: Request, node: str = "primary") -> str:
        answer = self.blob.apply(self.now_us, request)
        assert answer.status < 300, answer
        self.panel.applied(self.now_us, node, request, answer, self.blob)
        return answer.snapshot

    def seed(self) -> None:
        """Create, copy the volume, footer, unmark."""
        size = -(-self.setup.volume_bytes // MIB) * MIB
        self.create(size, mark="seed")
        for page, value in self.setup.base.items():
            self.put(page, value)
        self.put_footer(size)
        self.meta(mark="none")

    def create(self, size: int, **keys: str) -> None:
        self.map |= keys
        self.apply(CreateBlob(blob="db", length=size + PAGE, metadata=self.pairs()))

    def pairs(self, **keys: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((f"mp_{k}", v) for k, v in {**self.map, **keys}.items() if v))

    def meta(self, node: str = "primary", **keys: str) -> None:
        self.map |= keys
        self.apply(SetMetadata(blob="db", metadata=self.pairs()), node)

    def put(self, first: int, *values: object, node: str = "primary") -> None:
        self.apply(
            PutPages(blob="db", offset=first * PAGE, length=len(values) * PAGE, pages=values), node
        )

    def put_footer(self, size: int, raw: bytes | None = None, node: str = "primary") -> None:
        self.put(size // PAGE, raw or footer(size), node=node)

    def clear(self, first: int, pages: int = 1, node: str = "primary") -> None:
        self.apply(ClearPages(blob="db", offset=first * PAGE, length=pages * PAGE), node)

    def length(self, size: int, node: str = "primary") -> None:
        self.apply(SetProperties(blob="db", length=size + PAGE), node)

    def snapshot(self, kind: str = "request", node: str = "primary", **keys: str) -> str:
        own = {"point": kind, "sequence": str(len(self.blob.snapshots) + 1), **keys}
        pairs = self.pairs(mark="none", pin="", intent="", doomed="", **own)
        return self.apply(TakeSnapshot(blob="db", metadata=pairs), node)

    def delete(self, snapshot: str, node: str = "primary") -> None:
        self.apply(DeleteBlob(blob="db", snapshot=snapshot), node)

    # ── the rest ──────────────────────────────────────────────────────────────────────────────

    def power_loss(self, pages: Mapping[int, object | None]) -> None:
        self.panel.power_lost(self.now_us, pages)
        self.restart()

    def restart(self) -> None:
        self.panel.process(self.now_us, "primary", "killed")
        self.panel.process(self.now_us, "primary", "started")

    def status(self, lag_us: int = 0, lag_bytes: int = 0, *, protected: bool = True) -> None:
        sample = StatusSample("primary", "primary", "protected", protected, lag_us, lag_bytes)
        self.panel.status(self.now_us, sample)

    def mount(self, node: str = "standby", *, snapshot: str = "", **told: Any) -> None:
        row = self.blob.addressed(snapshot)
        assert row is not None
        image = dict(self.blob.image(snapshot))
        size = row.length - PAGE
        mounted = {
            "node": node, "term": int(self.map["term"]), "size_bytes": size, "snapshot": snapshot,
            "image": image, "footer": image.get(size // PAGE, b""), **told,
        }  # fmt: skip
        self.panel.mounted(self.now_us, Mounted(**mounted))

    def failover(self, node: str = "standby", **told: Any) -> None:
        """Owner and term first, then the mount."""
        self.meta(node, owner=node, term=str(int(self.map["term"]) + 1))
        self.mount(node, **told)

    def end_run(self, waiting_for: str = "", volume: Mapping[int, object] | None = None) -> None:
        self.panel.ended(self.now_us, waiting_for, self.blob, volume)


def base(*pages: int) -> dict[int, int]:
    """A volume that has something in these pages."""
    return {page: BASE + n for n, page in enumerate(pages)}
