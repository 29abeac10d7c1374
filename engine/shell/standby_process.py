"""`python -m engine standby`: watch the primary, fail over when it dies, hand the disks over.

For every volume that is taken over, STATE/VOLUME.mount.json (for this user alone) holds the
read-only URL of the disk: a virtual machine mounts it straight from the blob.
"""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.core.messages import (
    FailoverRequested,
    HeartbeatHeard,
    MountDisk,
    Started,
    StopRequested,
)
from engine.core.settings import StandbySettings
from engine.core.standby import StandbyMachine
from engine.errors import ConfigurationError
from engine.policy import Policy, SitePolicy, VolumePolicy
from engine.shell.control import Answer, ControlServer
from engine.shell.credentials import Store
from engine.shell.events import emit
from engine.shell.heartbeat_link import Heartbeat, HeartbeatListener
from engine.shell.machine_host import Blob, Emit, MachineHost, now_us
from engine.shell.node_state import NodeState
from engine.shell.recovery_points import points

READ_URL_SECONDS = 7 * 24 * 3600
"""How long the URL that a mount is given stays valid."""

STORE_THREADS = 1


class StandbyVolume(MachineHost):
    """One watched volume."""

    def __init__(
        self,
        name: str,
        machine: StandbyMachine,
        blob: Blob,
        state: NodeState,
        emit: Emit,
        read_url: Callable[[int, str], str],
    ) -> None:
        super().__init__(name, machine, blob, state, emit, STORE_THREADS)
        self.machine = machine
        self._read_url = read_url
        self.actions[MountDisk] = self._mount

    def _mount(self, command: MountDisk) -> None:
        """Publish the disk; it is durable before `mounted` is said."""
        disk = {
            "url": self._read_url(READ_URL_SECONDS, command.snapshot),
            "size_bytes": command.size_bytes,
            "term": command.term,
            # "" for the live blob; a snapshot's id is the service's clock when it was taken (UTC).
            "snapshot": command.snapshot,
            "point_time": command.snapshot,
        }
        self._state.write_secret(f"{self.name}.mount.json", json.dumps(disk))


class StandbyProcess:
    """All volumes of one standby site."""

    def __init__(self, policy: Policy, site: SitePolicy, folder: Path, store: Store) -> None:
        self._policy = policy
        self._site = site
        self._store = store
        self._state = NodeState(folder / site.state)
        self._volumes = {volume.name: self._watch(volume) for volume in policy.volumes}
        self._control = ControlServer(self._state.folder, self._respond)
        self._heartbeat = HeartbeatListener(site.node, self._heard)
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Run until a signal; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            await self._control.start()
            await self._heartbeat.start(self._site.listen)
            for host in self._volumes.values():
                host.deliver(Started())
            await asyncio.to_thread(self._store.preload)
            await self._stop.wait()
            for host in self._volumes.values():
                host.deliver(StopRequested())
        finally:
            self._heartbeat.close()
            self._control.close()
            for host in self._volumes.values():
                host.close()
            self._store.close()
            self._state.close()
        return 0

    def _watch(self, volume: VolumePolicy) -> StandbyVolume:
        policy = self._policy
        settings = StandbySettings(
            name=volume.name,
            node=self._site.node,
            lease_seconds=policy.lease_seconds,
            interval_us=int(policy.heartbeat.interval_seconds * 1e6),
            timeout_us=int(policy.heartbeat.timeout_seconds * 1e6),
            fence=self._site.fence,
        )
        blob = self._store.blobs[volume.name]
        machine = StandbyMachine(settings)
        return StandbyVolume(volume.name, machine, blob, self._state, emit, blob.read_url)

    def _heard(self, heartbeat: Heartbeat) -> None:
        if heartbeat.node != self._policy.primary.node:
            return  # some other site's primary: its life says nothing about ours
        for host in self._volumes.values():
            host.deliver(HeartbeatHeard(heartbeat.sequence, heartbeat.leaving))

    def _respond(self, request: Answer) -> Answer | Awaitable[Answer]:
        match request.get("request"):
            case "status":
                return self._status()
            case "failover":
                return self._fail_over(request)
            case "points":
                host = self._host(request)
                return points(host.name, self._store.blobs[host.name])
            case _:
                raise ConfigurationError(
                    "a standby answers the requests `status`, `failover` and `points`"
                )

    def _status(self) -> Answer:
        now = now_us()
        volumes: Answer = {}
        for name, host in self._volumes.items():
            heard = host.machine.last_heard_us()
            volumes[name] = {
                "phase": host.machine.phase.value,
                "reason": host.machine.reason,
                "silent_us": -1 if heard < 0 else now - heard,
            }
        return {"site": "standby", "node": self._site.node, "volumes": volumes}

    def _host(self, request: Answer) -> StandbyVolume:
        name = str(request.get("volume"))
        host = self._volumes.get(name)
        if host is None:
            raise ConfigurationError(
                f"there is no volume {name!r}; there are: {', '.join(self._volumes)}"
            )
        return host

    def _fail_over(self, request: Answer) -> Answer:
        host = self._host(request)
        name = host.name
        forced = request.get("forced") is True
        objection = host.machine.objection(now_us(), forced=forced)
        host.deliver(FailoverRequested(forced))
        if objection:
            return {"volume": name, "phase": host.machine.phase.value, "refused": objection}
        return {"volume": name, "phase": host.machine.phase.value, "reason": host.machine.reason}
