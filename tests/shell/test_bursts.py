"""Bursts and standing back: what is posted within a burst is handled at its end, and in order."""

import asyncio
import os
import threading
from pathlib import Path

from engine.core.messages import (
    Clear,
    Command,
    Done,
    Event,
    LocalDone,
    Renew,
    Started,
    StoreCommand,
)
from engine.shell.machine_host import MachineHost
from engine.shell.node_state import NodeState


class Machine:
    """Remembers its events; asks the store once it is started."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.answered = asyncio.Event()
        self.asks: Command = Renew(1, "lease")

    def handle(self, now_us: int, event: Event) -> list[Command]:
        self.seen.append(event)
        if isinstance(event, Done):
            self.answered.set()
        return [self.asks] if isinstance(event, Started) else []


class Blob:
    """Tells the niceness of the thread that it is asked on."""

    niceness = -1

    def execute(self, command: StoreCommand) -> Done:
        thread = threading.get_native_id()
        self.niceness = os.getpriority(os.PRIO_PROCESS, thread)
        return Done(command.id)


def make_host(folder: Path, niceness: int = 0) -> tuple[MachineHost, Machine, Blob, NodeState]:
    machine, blob, state = Machine(), Blob(), NodeState(folder)
    host = MachineHost("db", machine, blob, state, lambda *_: None, 1, niceness)
    return host, machine, blob, state


def test_a_burst_is_handled_at_its_end_without_another_turn_of_the_loop(tmp_path: Path) -> None:
    async def run() -> None:
        host, machine, _, state = make_host(tmp_path)
        host.begin_burst()
        host.post(LocalDone(1))
        host.begin_burst()
        host.post(LocalDone(2))
        assert machine.seen == []
        host.settle()
        assert machine.seen == [LocalDone(1), LocalDone(2)]
        host.settle()
        await asyncio.sleep(0)
        assert len(machine.seen) == 2
        host.close()
        state.close()

    asyncio.run(run())


def test_what_is_posted_outside_a_burst_needs_nobody_to_settle(tmp_path: Path) -> None:
    async def run() -> None:
        host, machine, _, state = make_host(tmp_path)
        host.post(LocalDone(1))
        host.begin_burst()
        host.post(LocalDone(2))
        host.settle()
        await asyncio.sleep(0)
        host.post(LocalDone(3))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert machine.seen == [LocalDone(1), LocalDone(2), LocalDone(3)]
        host.close()
        state.close()

    asyncio.run(run())


def test_only_puts_stand_back(tmp_path: Path) -> None:
    async def run(folder: Path, niceness: int, asks: Command) -> int:
        host, machine, blob, state = make_host(folder, niceness)
        machine.asks = asks
        host.deliver(Started())
        await asyncio.wait_for(machine.answered.wait(), 120)
        host.close()
        state.close()
        return blob.niceness

    own = os.getpriority(os.PRIO_PROCESS, 0)
    for niceness in (0, 5):
        folder = tmp_path / str(niceness)
        folder.mkdir()
        put = Clear(1, 0, 512, "lease", 1, None)
        assert asyncio.run(run(folder, niceness, put)) == max(own, niceness)
        assert asyncio.run(run(folder, niceness, Renew(1, "lease"))) == own
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
