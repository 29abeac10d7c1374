"""The reference engine as a system under test: its real processes, `python -m engine ...`.

It is reached like any vendor's product: a policy file, two processes, their event lines on stdout,
their control sockets and the file in which the standby hands over the disk.
"""

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from harness.adapter import (
    BlobService,
    Handover,
    Identity,
    ListedPoint,
    ProtectedVolume,
    SystemEvent,
    SystemStatus,
    VolumeOrder,
    Wording,
)
from harness.adapters.engine_events import EventLines
from harness.errors import Inconclusive
from harness.lab.ports import free_udp_port
from harness.lab.process import LabProcess, ProcessIo, Supervisor
from harness.redaction import redact, register_secret

__all__ = ["ReferenceEngine"]

SECRET_VARIABLE: Final = "MOUNTPROOF_LAB_STORE"  # noqa: S105 - the name of a variable
CONTROL_SOCKET: Final = "control.sock"
STATUS_TIMEOUT_S: Final = 0.5
_POLICY: Final = """\
[store]
connection_string_env = "{variable}"
container = {container}
[lease]
seconds = {lease}
[heartbeat]
listen = "127.0.0.1:{port}"
interval_seconds = {heartbeat}
timeout_seconds = {timeout}
[primary]
state = "primary/state"
node = "primary-1"
[standby]
state = "standby/state"
node = "standby-1"
fence = "{fence}"
[[volume]]
name = {name}
path = {path}
blob = {blob}
mode = "{mode}"
order = "{order}"
listen = {listen}
max_lag_seconds = {max_lag}
label = {label}
"""
RESTART_TIMEOUT_S: Final = 5.0
OPERATOR_TIMEOUT_S: Final = 60.0
"""Of a resize or a point: the engine answers, or says that it goes on, within 45 s."""

_METADATA: Final = "mp_"


class ReferenceEngine:
    """`python -m engine`, or a command that keeps the same contract."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "engine")) -> None:
        self._command = tuple(command)

    def identity(self) -> Identity:
        """The installed version, and the digest of the sources that run."""
        try:
            number = version("mountproof")
        except PackageNotFoundError:
            number = "unreleased"
        return Identity("mountproof reference engine", number, source_digest("engine"))

    def understand(self, metadata: Mapping[str, str]) -> Wording:
        """Read the keys that begin with `mp_`."""
        return understand(metadata)

    def protect(self, order: VolumeOrder, service: BlobService, site: Path) -> ProtectedVolume:
        """Write the policy and start primary and standby."""
        return EngineVolume(self._command, order, service, site)


class EngineVolume:
    """One volume, protected by two engine processes below `site`."""

    def __init__(
        self, command: Sequence[str], order: VolumeOrder, service: BlobService, site: Path
    ) -> None:
        self._order = order
        self._site = site
        self._primary_side = site / "primary"
        self._standby_state = site / "standby" / "state"
        for folder in (self._primary_side / "state", self._standby_state):
            folder.mkdir(parents=True, exist_ok=True)
        self.export = order.name
        self.device = f"unix:{site / 'tap'}"
        register_secret(service.connection_string)
        policy = site / "policy.toml"
        policy.write_text(self._policy(order, service), encoding="utf-8")
        self._command = command
        self._environment = {**os.environ, SECRET_VARIABLE: service.connection_string}
        self._supervisor = Supervisor()
        self._standby = self._start("standby")
        self._primary = self._start("primary")
        self._alive_expected = {"primary", "standby"}
        self._lines = {
            "primary": EventLines("primary", self._primary.output),
            "standby": EventLines("standby", self._standby.output),
        }
        self._away: Path | None = None

    def _start(self, side: str) -> LabProcess:
        return self._supervisor.start(
            side,
            [*self._command, side, "--policy", str(self._site / "policy.toml")],
            folder=self._site / "logs",
            env=self._environment,
        )

    def _policy(self, order: VolumeOrder, service: BlobService) -> str:
        return _POLICY.format(
            variable=SECRET_VARIABLE,
            container=json.dumps(service.container),
            lease=order.lease_s,
            port=free_udp_port(),
            heartbeat=order.heartbeat_s,
            timeout=order.failure_timeout_s,
            fence=order.fence,
            name=json.dumps(order.name),
            path=json.dumps(str(order.path)),
            blob=json.dumps(order.blob),
            mode=order.mode,
            order=order.order,
            listen=json.dumps(self.device),
            max_lag=order.max_lag_s,
            label=json.dumps(order.label),
        )

    def events(self) -> list[SystemEvent]:
        """Both sides' event lines, merged by time."""
        found = [event for lines in self._lines.values() for event in lines.read()]
        return sorted(found, key=lambda event: event.at)

    def status(self) -> SystemStatus | None:
        """Ask the primary's control socket."""
        answer = self._ask_primary({"request": "status"}, STATUS_TIMEOUT_S)
        return None if answer is None else parse_status(answer, self._order.name)

    def resize(self, size_bytes: int) -> str:
        """Ask the primary for it."""
        return self._done({"request": "resize", "volume": self._order.name, "bytes": size_bytes})

    def take_point(self) -> str:
        """Ask the primary for it."""
        return self._done({"request": "point", "volume": self._order.name})

    def points(self) -> list[ListedPoint] | None:
        """Ask the primary, or the standby once the primary is gone."""
        question = {"request": "points", "volume": self._order.name}
        answer = self._ask_primary(question, OPERATOR_TIMEOUT_S)
        if answer is None:
            place = self._standby_state / CONTROL_SOCKET
            answer = ask_control(place, question, OPERATOR_TIMEOUT_S)
        listed = None if answer is None else answer.get("points")
        if not isinstance(listed, list):
            return None
        return [
            ListedPoint(str(point["id"]), str(point["kind"]), int(point["size_bytes"]))
            for point in listed
        ]

    def _done(self, question: Mapping[str, str | int]) -> str:
        """Why it was not done, or nothing."""
        answer = self._ask_primary(question, OPERATOR_TIMEOUT_S)
        if answer is None:
            return "the primary did not answer"
        told = (answer.get(key) for key in ("refused", "error", "pending"))
        return "; ".join(str(reason) for reason in told if reason)

    def _ask_primary(
        self, question: Mapping[str, str | int], timeout_s: float
    ) -> dict[str, object] | None:
        if not self._primary.running:
            return None
        return ask_control(self._primary_side / "state" / CONTROL_SOCKET, question, timeout_s)

    def check_running(self) -> None:
        """Raise with the last words of a side that died by itself."""
        for process in (self._primary, self._standby):
            if process.name in self._alive_expected and not process.running:
                raise Inconclusive(
                    f"the engine's {process.name} ended by itself with exit status"
                    f" {process.exit_status}: {redact(_last_words(process))}"
                )

    def kill_primary(self) -> float:
        """SIGKILL the primary process."""
        self._alive_expected.discard("primary")
        return self._primary.kill()

    def restart_primary(self) -> float:
        """Start the same command again, once the killed process is gone: it held the locks."""
        self._primary.wait(RESTART_TIMEOUT_S)
        self._primary = self._start("primary")
        self._alive_expected.add("primary")
        return self._primary.started_at

    def pause_primary(self) -> float:
        """SIGSTOP the primary process."""
        return self._primary.pause()

    def resume_primary(self) -> float:
        """SIGCONT the primary process."""
        self._alive_expected.discard("primary")  # fenced, it may end: that is its right
        return self._primary.resume()

    def take_primary_away(self) -> Path:
        """Rename the whole primary side into a folder without any permission."""
        vault = self._site / "out-of-reach"
        vault.mkdir(mode=0o700)
        self._away = self._primary_side.rename(vault / "primary")
        vault.chmod(0)
        return vault

    def handover(self) -> Handover | None:
        """Read STATE/VOLUME.mount.json once the standby has said `mounted`."""
        mounted = [e for e in self.events() if e.side == "standby" and e.name == "mounted"]
        place = self._standby_state / f"{self._order.name}.mount.json"
        if not mounted or not place.exists():
            return None
        disk = json.loads(place.read_bytes())
        query = str(disk["url"]).partition("?")[2]
        for pair in query.split("&"):
            if pair.startswith("sig="):
                register_secret(pair.removeprefix("sig="))
        snapshot = str(disk.get("snapshot", ""))
        return Handover(mounted[0].at, str(disk["url"]), int(disk["size_bytes"]), snapshot)

    def processes(self) -> dict[str, int]:
        """Pid of each side."""
        return {"primary": self._primary.pid, "standby": self._standby.pid}

    def io(self) -> dict[str, ProcessIo]:
        """Counters of each side."""
        return {"primary": self._primary.io(), "standby": self._standby.io()}

    def own_files(self) -> dict[str, int]:
        """States and logs of both sides; the volume, policy and sockets are not the engine's."""
        folders = {
            "primary state": (self._away or self._primary_side) / "state",
            "standby state": self._standby_state,
            "logs": self._site / "logs",
        }
        return {
            f"{name}/{file.relative_to(folder)}": file.stat().st_size
            for name, folder in folders.items()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    def logs(self) -> dict[str, Path]:
        """Event lines and error output of both sides, and the policy."""
        found = {"policy.toml": self._site / "policy.toml"}
        for process in (self._primary, self._standby):
            found[f"{process.name}.events.jsonl"] = process.output
            found[f"{process.name}.log"] = process.log
        return found

    def stop(self) -> None:
        """Stop both."""
        self._alive_expected.clear()
        self._supervisor.stop_all()


def ask_control(
    path: Path, question: Mapping[str, str | int], timeout_s: float = STATUS_TIMEOUT_S
) -> dict[str, object] | None:
    """One JSON line to a control socket, one back; None if nobody answers in time."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(timeout_s)
            control.connect(str(path))
            control.sendall(json.dumps(question).encode() + b"\n")
            with control.makefile("rb") as answers:
                answer = json.loads(answers.readline() or b"null")
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def understand(metadata: Mapping[str, str]) -> Wording:
    """What the engine's metadata say: those of a blob, or of a snapshot."""
    ours = {
        key.removeprefix(_METADATA): value
        for key, value in metadata.items()
        if key.startswith(_METADATA)
    }
    mark = ours.get("mark", "none")
    size = ours.get("volume_bytes", "")
    return Wording(
        name=ours.get("volume_name", ""),
        label=ours.get("label", ""),
        unique_id=ours.get("volume_id", ""),
        volume_bytes=int(size) if size.isdecimal() else -1,
        unfinished=mark if mark != "none" else ours.get("intent", "").partition(":")[0],
        pinned=ours.get("pin", ""),
    )


def parse_status(answer: Mapping[str, object], volume: str) -> SystemStatus | None:
    """One volume's part of the primary's answer."""
    volumes = answer.get("volumes")
    entry = volumes.get(volume) if isinstance(volumes, dict) else None
    if not isinstance(entry, dict):
        return None
    lag_us = _number(entry, "lag_us")
    return SystemStatus(
        at=time.monotonic(),
        phase=str(entry.get("phase", "")),
        protected=entry.get("protected") is True,
        lag_s=None if lag_us is None else lag_us / 1e6,
        lag_bytes=_number(entry, "lag_bytes"),
        in_flight=_number(entry, "puts_in_flight"),
        queued=_number(entry, "operations_open"),
        replicated_bytes=_sum(entry, "bytes_done", "seeded_bytes"),
        refused=_number(entry, "puts_refused"),
    )


def _number(entry: Mapping[str, object], key: str) -> int | None:
    value = entry.get(key)
    return int(value) if isinstance(value, int | float) else None


def _sum(entry: Mapping[str, object], *keys: str) -> int | None:
    values = [_number(entry, key) for key in keys]
    return None if None in values else sum(value or 0 for value in values)


def _last_words(process: LabProcess) -> str:
    text = process.log.read_text("utf-8", "replace").strip().splitlines()
    return text[-1] if text else "it said nothing"


def source_digest(package: str) -> str:
    """sha256 over the names and contents of a package's Python files, in order of name."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Inconclusive(f"package {package} is not installed; run `make setup`")
    root = Path(next(iter(spec.submodule_search_locations)))
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
