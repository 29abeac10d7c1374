"""The real world of one core machine: executes its commands, delivers what becomes of them.

One asyncio loop, one caller: events are handled in the loop's thread only, one after another. Store
commands run on threads of a small pool, each over a connection of its own, and post their one
answer back. Subclasses add the commands of their site (a volume, a mount).
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic_ns
from typing import Protocol

from engine.core.messages import (
    Acquire,
    Break,
    Change,
    Clear,
    Command,
    Create,
    DeleteSnapshot,
    Event,
    Head,
    LeaseReady,
    ListSnapshots,
    NewLease,
    Note,
    Put,
    Raise,
    ReadPage,
    Release,
    Renew,
    Resize,
    SetMetadata,
    SetTimer,
    Snapshot,
    StoreAnswer,
    StoreCommand,
    TimerFired,
)
from engine.shell.node_state import NodeState

STORE_COMMANDS = (
    Put,
    Clear,
    Head,
    Raise,
    Renew,
    ReadPage,
    Create,
    Resize,
    SetMetadata,
    Snapshot,
    DeleteSnapshot,
    ListSnapshots,
    Acquire,
    Break,
    Release,
    Change,
)

CONTROL_THREADS = 4
"""Beside the data connections: a lease renewal or a local flush never waits behind a put."""

Emit = Callable[[str, dict[str, str | int | float]], None]
"""Tells the world an event: its name and its fields."""


class Machine(Protocol):
    """Decides; see engine.core."""

    def handle(self, now_us: int, event: Event) -> list[Command]:
        """Take one event, return what is to be done."""


class Blob(Protocol):
    """Executes store commands; blocking, called from several threads at once."""

    def execute(self, command: StoreCommand) -> StoreAnswer:
        """Carry the command out; exactly one answer, never an exception for operating errors."""


def now_us() -> int:
    """The core's clock: monotonic, in microseconds."""
    return monotonic_ns() // 1000


def _stand_back(niceness: int) -> None:
    """Linux knows a niceness for each thread; raising it needs no privilege."""
    if niceness:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


class MachineHost:
    """Runs one machine in the loop that made it."""

    def __init__(
        self,
        name: str,
        machine: Machine,
        blob: Blob,
        state: NodeState,
        emit: Emit,
        connections: int,
        niceness: int = 0,
    ) -> None:
        """`niceness`: how far its puts stand back when processors are short, 0 to 19."""
        self.name = name
        self._handle = machine.handle
        self._blob = blob
        self._state = state
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._put_pool = ThreadPoolExecutor(connections, f"put-{name}", _stand_back, (niceness,))
        self._pool = ThreadPoolExecutor(CONTROL_THREADS, f"control-{name}")
        self._timers: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._events: deque[Event] = deque()
        self._draining = False
        self._in_burst = False
        self._closed = False
        self.actions: dict[type, Callable[..., None]] = {
            SetTimer: self._set_timer,
            NewLease: self._new_lease,
            Note: self._note,
        }
        for kind in STORE_COMMANDS:
            self.actions[kind] = self._ask_store
        self.actions |= {Put: self._put, Clear: self._put}

    def deliver(self, event: Event) -> None:
        """Handle an event now and execute what follows. Never called while a machine decides."""
        if self._closed:
            return
        actions = self.actions
        for command in self._handle(monotonic_ns() // 1000, event):  # now_us, without its call
            actions[type(command)](command)

    def post(self, event: Event) -> None:
        """Handle an event after everything that has already arrived in this turn of the loop."""
        self._events.append(event)
        if not self._draining and not self._in_burst:
            self._draining = True
            self._loop.call_soon(self._drain)

    def begin_burst(self) -> None:
        """More requests of the same wake-up may follow; `settle` will come after the last."""
        self._in_burst = True

    def settle(self) -> None:
        """The burst is over: handle what it posted, without another turn of the loop."""
        if self._in_burst:
            self._in_burst = False
            if self._events:
                self._drain()

    def close(self) -> None:
        """Stop at once: no timer fires, no answer is delivered any more."""
        self._closed = True
        for _, timer in self._timers.values():
            timer.cancel()
        for pool in (self._put_pool, self._pool):
            pool.shutdown(wait=False, cancel_futures=True)

    def in_background(self, work: Callable[[], Event]) -> None:
        """Run blocking work on the pool; its event is delivered in the loop."""
        self._pool.submit(self._work, work)

    def about_to_tell(self, note: Note) -> None:
        """See to it that what the note says is true also after a crash."""

    def noted(self, note: Note) -> None:
        """A machine's note; subclasses react to some."""

    def _drain(self) -> None:
        self._draining = False
        events, actions, handle = self._events, self.actions, self._handle
        for _ in range(len(events)):
            if self._closed:
                return
            for command in handle(monotonic_ns() // 1000, events.popleft()):  # `deliver`, inlined
                actions[type(command)](command)

    def _work(self, work: Callable[[], Event]) -> None:
        try:
            event = work()
        except Exception as bug:  # noqa: BLE001 a pool drops it, and the machine would wait for ever
            self._in_loop(self._raise_bug, bug)
        else:
            self._in_loop(self.deliver, event)

    def _ask_store(self, command: StoreCommand) -> None:
        self._pool.submit(self._work, lambda: self._blob.execute(command))

    def _put(self, command: Put | Clear) -> None:
        self._put_pool.submit(self._work, lambda: self._blob.execute(command))

    def _in_loop(self, act: Callable[..., None], argument: object) -> None:
        if not self._closed:
            self._loop.call_soon_threadsafe(act, argument)

    def _raise_bug(self, bug: Exception) -> None:
        """In the loop, whose exception handler ends the process."""
        raise bug

    def _set_timer(self, command: SetTimer) -> None:
        earlier = self._timers.get(command.key)
        if earlier is not None:
            if earlier[0] == command.at_us:
                return
            earlier[1].cancel()
        self._call_later(command)

    def _call_later(self, command: SetTimer) -> None:
        wait_s = max(0, command.at_us - now_us()) / 1e6
        timer = self._loop.call_later(wait_s, self._fire, command)
        self._timers[command.key] = (command.at_us, timer)

    def _fire(self, command: SetTimer) -> None:
        if now_us() < command.at_us:
            # The loop's clock is coarser than ours: never fire early.
            self._call_later(command)
            return
        self._timers.pop(command.key, None)
        self.deliver(TimerFired(command.key))

    def _new_lease(self, command: NewLease) -> None:
        self.post(LeaseReady(command.id, self._state.new_lease(self.name)))

    def _note(self, note: Note) -> None:
        self.about_to_tell(note)
        self._emit(note.name, {"volume": self.name, **dict(note.fields)})
        self.noted(note)
