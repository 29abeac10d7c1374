"""One engine primary at work for a bench: `python -m engine primary` with a policy of its own."""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from harness.adapter import SystemEvent, SystemStatus
from harness.adapters.engine_events import EventLines
from harness.adapters.reference_engine import ask_control, parse_status
from harness.bench.scene import Scene
from harness.errors import Inconclusive
from harness.lab.ports import free_udp_port
from harness.lab.process import LabProcess, ProcessIo
from harness.redaction import redact, register_secret

__all__ = ["STORE_VARIABLE", "PrimaryOrder", "PrimaryRun", "store_environment"]

STORE_VARIABLE: Final = "MOUNTPROOF_BENCH_STORE"
VOLUME: Final = "db"
POLL_S: Final = 0.01
_POLICY: Final = """\
[store]
connection_string_env = "{variable}"
container = "{container}"
[heartbeat]
listen = "127.0.0.1:{port}"
[primary]
state = "state"
[standby]
state = "standby"
[[volume]]
name = "{name}"
path = {path}
blob = "{blob}"
mode = "{mode}"
order = "flush"
listen = {listen}
max_lag_seconds = {max_lag_seconds}
max_lag_bytes = {max_lag_bytes}
connections = {connections}
"""


@dataclass(frozen=True, slots=True)
class PrimaryOrder:
    """How to protect. The bounds of the lag are generous: a bench measures, it does not brake."""

    volume: Path
    mode: str = "async"
    connections: int = 4
    max_lag_seconds: float = 600.0
    max_lag_bytes: int = 8 << 30


def store_environment(scene: Scene) -> Mapping[str, str]:
    """This process's environment with the key to the store."""
    register_secret(scene.connection_string)
    return {**os.environ, STORE_VARIABLE: scene.connection_string}


class PrimaryRun:
    """The running process; stopped in order when the context ends."""

    def __init__(self, scene: Scene, order: PrimaryOrder, blob: str) -> None:
        folder = scene.folder("primary")
        self._state = folder / "state"
        self._state.mkdir()
        self.socket = folder / "tap"
        policy = folder / "policy.toml"
        policy.write_text(self._policy(scene, order, blob), encoding="utf-8")
        self.process = LabProcess(
            "primary",
            [sys.executable, "-m", "engine", "primary", "--policy", str(policy)],
            output=folder / "primary.out",
            log=folder / "primary.log",
            env=store_environment(scene),
        )
        self._lines = EventLines("primary", self.process.output)

    def _policy(self, scene: Scene, order: PrimaryOrder, blob: str) -> str:
        return _POLICY.format(
            variable=STORE_VARIABLE,
            container=scene.container,
            port=free_udp_port(),
            name=VOLUME,
            path=json.dumps(str(order.volume)),
            blob=blob,
            mode=order.mode,
            listen=json.dumps(f"unix:{self.socket}"),
            max_lag_seconds=order.max_lag_seconds,
            max_lag_bytes=order.max_lag_bytes,
            connections=order.connections,
        )

    @property
    def device(self) -> str:
        """NBD address of the tap."""
        return f"unix:{self.socket}"

    @property
    def export(self) -> str:
        """NBD export name."""
        return VOLUME

    def wait_for(self, name: str, timeout_s: float) -> SystemEvent:
        """The first event of this name; its `at` is the engine's own time stamp."""
        deadline = time.monotonic() + timeout_s
        while True:
            running = self.process.running
            for event in self._lines.read():
                if event.name == name:
                    return event
            if not running:
                raise Inconclusive(f"the engine ended before {name!r}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise Inconclusive(f"the engine did not say {name!r} within {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def status(self) -> SystemStatus:
        """What the engine says of its volume."""
        answer = ask_control(self._state / "control.sock", {"request": "status"})
        status = None if answer is None else parse_status(answer, VOLUME)
        if status is None:
            raise Inconclusive(f"the engine does not tell its status: {self._last_words()}")
        return status

    def wait_drained(self, timeout_s: float) -> float:
        """Until everything written is in the blob; returns the time of the answer that says so."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.status()
            if status.lag_bytes == 0 and status.in_flight == 0:
                return status.at
            if time.monotonic() > deadline:
                raise Inconclusive(
                    f"after {timeout_s:.0f} s {status.lag_bytes} bytes are still not in the blob"
                )
            time.sleep(2 * POLL_S)

    def peak_rss_bytes(self) -> int:
        """The most memory that it had resident so far (proc(5), VmHWM)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def stop(self) -> ProcessIo:
        """Stop it in order; returns what it read and wrote in all."""
        if self.process.running:
            self.process.stop()
        return self.process.io()

    def _last_words(self) -> str:
        said = self.process.log.read_text("utf-8", "replace").strip().splitlines()
        return redact(said[-1]) if said else "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
