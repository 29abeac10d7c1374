"""`python -m engine primary`: protect every volume of the policy until told to stop.

Opens state, volumes and store, serves the taps, sends heartbeats, answers on the control socket. An
orderly stop (SIGTERM, SIGINT) drains every volume into its blob, records that, and releases the
leases.
"""

import asyncio
import hashlib
import signal
from collections.abc import Awaitable
from pathlib import Path

from msgspec.structs import asdict

from engine.core.messages import Started, StopRequested
from engine.core.primary import ENDED, Phase, PrimaryMachine
from engine.core.settings import Mode, VolumeSettings
from engine.errors import ConfigurationError
from engine.policy import Policy, VolumePolicy
from engine.shell import operator_requests
from engine.shell.control import Answer, ControlServer
from engine.shell.credentials import Store
from engine.shell.dirty_bitmap import DirtyBitmap
from engine.shell.events import emit
from engine.shell.heartbeat_link import HeartbeatSender
from engine.shell.machine_host import now_us
from engine.shell.node_state import NodeState
from engine.shell.primary_volume import PrimaryVolume
from engine.shell.recovery_points import points
from engine.shell.tap import TapServer, serve_tap
from engine.shell.volume import Volume

DRAIN_SECONDS = 30.0
"""How long an orderly stop may take; after that the engine stops unclean, and says so."""

ASYNC_NICENESS = 15
"""In mode async nobody waits for a put: the client's writes come first. What that costs in lag is
bounded by the policy, for past half the bound the client waits (clients.py)."""


class PrimaryProcess:
    """All volumes of one primary site."""

    def __init__(self, policy: Policy, folder: Path, store: Store) -> None:
        self._policy = policy
        self._folder = folder
        self._store = store
        self._state = NodeState(folder / policy.primary.state)
        self._volumes: list[PrimaryVolume] = []
        self._taps: list[TapServer] = []
        self._control = ControlServer(self._state.folder, self._respond)
        self._heartbeat = HeartbeatSender(policy.primary.node, policy.heartbeat.interval_seconds)
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self, *, reseed: bool) -> int:
        """Run until a signal; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            await self._start(reseed=reseed)
            return await self._wait_and_stop()
        finally:
            self._close()

    async def _start(self, *, reseed: bool) -> None:
        for volume in self._policy.volumes:
            self._volumes.append(self._open(volume, reseed=reseed))
        await self._control.start()
        for host, volume in zip(self._volumes, self._policy.volumes, strict=True):
            self._taps.append(await serve_tap(host, volume.listen))
            emit("started", {"volume": host.name, "listen": self._taps[-1].address})
        for standby in self._policy.standbys:
            await self._heartbeat.open(standby.listen)
        for host in self._volumes:
            record = self._state.take_stop_record(host.name, host.volume.fingerprint())
            lease = self._state.last_lease(host.name)
            host.deliver(Started(lease, record, reseed, host.dirty_at_start))

    def _open(self, policy: VolumePolicy, *, reseed: bool) -> PrimaryVolume:
        volume = Volume(self._folder / policy.path, policy.name)
        identity = self._state.identity(policy.name)
        blob = self._store.blobs[policy.name]
        bitmap = self._open_bitmap(volume, identity.unique_id + blob.place(), reseed=reseed)
        settings = VolumeSettings(
            name=policy.name,
            node=self._policy.primary.node,
            volume_bytes=volume.size_bytes,
            volume_id=identity.unique_id,
            created_unix_s=identity.created_unix_s,
            mode=policy.mode,
            order=policy.order,
            connections=policy.connections,
            lease_seconds=self._policy.lease_seconds,
            max_lag_us=int(policy.max_lag_seconds * 1e6),
            max_lag_bytes=policy.max_lag_bytes,
            label=policy.label,
            point_interval_us=int(policy.points.interval_seconds * 1e6),
            points_keep=policy.points.keep,
        )
        machine = PrimaryMachine(settings)
        host = PrimaryVolume(
            machine,
            volume,
            bitmap,
            blob,
            self._state,
            emit,
            policy.connections,
            _niceness(policy.mode),
        )
        host.ended = self._volume_ended
        # Not earlier: a crashed primary that comes back only to be refused must not look alive.
        host.owned = self._heartbeat.start
        return host

    def _open_bitmap(self, volume: Volume, of: bytes, *, reseed: bool) -> DirtyBitmap:
        """Open what an earlier run kept; it is void if something else changed the volume since."""
        binding = hashlib.sha256(of + volume.file_number().to_bytes(8, "little")).digest()
        path = self._state.bitmap_path(volume.name)
        bitmap = DirtyBitmap(path, binding, volume.size_bytes)
        if bitmap.fresh:
            emit("bitmap-made", {"volume": volume.name, "reason": bitmap.fresh})
        changed = self._state.changed_since_stop(volume.name, volume.fingerprint())
        if changed:
            emit("volume-changed", {"volume": volume.name})
        if changed or reseed:
            # Durable before the record of the stop is taken away: it alone tells.
            bitmap.distrust()
            bitmap.commit()
        return bitmap

    def _volume_ended(self, phase: Phase) -> None:
        del phase
        if all(host.machine.phase in ENDED for host in self._volumes):
            self._ended.set()

    async def _wait_and_stop(self) -> int:
        """Wait for a signal, or for the refusal of every volume at the start."""
        ended = asyncio.create_task(self._ended.wait())
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                refused = [h for h in self._volumes if h.machine.phase is Phase.REFUSED]
                if len(refused) == len(self._volumes):
                    reasons = "; ".join(f"{h.name}: {h.machine.reason}" for h in refused)
                    raise ConfigurationError(f"no volume can be protected: {reasons}")
                # Demoted or halted: stay, so that clients get errors and status says why.
                await stopped
        finally:
            ended.cancel()
            stopped.cancel()
        return await self._drain()

    async def _drain(self) -> int:
        """No new requests, everything into the blobs, leases released."""
        self._ended.clear()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                for host in self._volumes:
                    host.deliver(StopRequested())
                await asyncio.gather(*(tap.drain() for tap in self._taps))
                self._volume_ended(Phase.STOPPED)
                await self._ended.wait()
        except TimeoutError:
            left = ", ".join(h.name for h in self._volumes if h.machine.phase not in ENDED)
            emit("stopped-unclean", {"volumes": left, "after_seconds": DRAIN_SECONDS})
            return 2
        self._heartbeat.leave()
        await asyncio.sleep(0)
        return 0

    def _close(self) -> None:
        for tap in self._taps:
            tap.close()
        for host in self._volumes:
            host.close()
            host.volume.close()
        self._heartbeat.close()
        self._control.close()
        self._store.close()
        self._state.close()

    def _respond(self, request: Answer) -> Answer | Awaitable[Answer]:
        match request.get("request"):
            case "status":
                return self._status()
            case "resize":
                return operator_requests.resize(self._host(request), request)
            case "point":
                return operator_requests.take_point(self._host(request))
            case "points":
                name = self._host(request).name
                return points(name, self._store.blobs[name])
            case _:
                raise ConfigurationError(
                    "a primary answers the requests `status`, `resize`, `point` and `points`"
                )

    def _host(self, request: Answer) -> PrimaryVolume:
        for host in self._volumes:
            if host.name == request.get("volume"):
                return host
        names = ", ".join(host.name for host in self._volumes)
        raise ConfigurationError(
            f"there is no volume {request.get('volume')!r}; there are: {names}"
        )

    def _status(self) -> Answer:
        now = now_us()
        volumes = {h.name: asdict(h.machine.status(now)) for h in self._volumes}
        answered = self._heartbeat.answered_at
        loop_now = asyncio.get_running_loop().time()
        return {
            "site": "primary",
            "node": self._policy.primary.node,
            "standby_heard_ms": None if answered is None else int((loop_now - answered) * 1000),
            "volumes": volumes,
        }


def _niceness(mode: Mode) -> int:
    """How far the puts of a volume in this mode stand back when processors are short."""
    return ASYNC_NICENESS if mode is Mode.ASYNC else 0
