"""The host of a machine: order of events, timers, answers from threads, bugs, the end."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from engine.core.messages import (
    Clear,
    Command,
    Done,
    Event,
    Head,
    LeaseReady,
    NewLease,
    Note,
    Renew,
    SetTimer,
    Started,
    StoreAnswer,
    StoreCommand,
    TimerFired,
)
from engine.shell.machine_host import MachineHost, now_us
from engine.shell.node_state import NodeState


class ScriptedMachine:
    """Gives prepared commands for each event and remembers when which event came."""

    def __init__(self, script: Callable[[Event], list[Command]]) -> None:
        self._script = script
        self.seen: list[tuple[int, Event]] = []
        self.deciding = False
        self.came = asyncio.Event()

    def handle(self, now_us: int, event: Event) -> list[Command]:
        assert not self.deciding, "an event was delivered while the machine decided"
        self.deciding = True
        self.seen.append((now_us, event))
        self.came.set()
        commands = self._script(event)
        self.deciding = False
        return commands

    def events(self) -> list[Event]:
        return [event for _, event in self.seen]


class ScriptedBlob:
    """Answers on the pool's threads when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.let.set()
        self.bug: Exception | None = None
        self.threads: set[str] = set()

    def execute(self, command: StoreCommand) -> StoreAnswer:
        self.let.wait(120)
        self.threads.add(threading.current_thread().name)
        if self.bug is not None:
            raise self.bug
        return Done(command.id)


class Stage:
    """A host with a scripted machine and blob, in a running loop."""

    def __init__(self, folder: Path, script: Callable[[Event], list[Command]]) -> None:
        self.machine = ScriptedMachine(script)
        self.blob = ScriptedBlob()
        self.state = NodeState(folder)
        self.emitted: list[tuple[str, dict[str, Any]]] = []
        self.host = MachineHost(
            "db",
            self.machine,
            self.blob,
            self.state,
            lambda name, fields: self.emitted.append((name, fields)),
            4,
        )

    async def until(self, count: int) -> list[Event]:
        async with asyncio.timeout(120):
            while len(self.machine.seen) < count:
                self.machine.came.clear()
                await self.machine.came.wait()
        return self.machine.events()

    def close(self) -> None:
        self.host.close()
        self.state.close()


def perform(
    folder: Path,
    script: Callable[[Event], list[Command]],
    play: Callable[[Stage], Coroutine[Any, Any, None]],
) -> None:
    async def run() -> None:
        stage = Stage(folder, script)
        try:
            await play(stage)
        finally:
            stage.blob.let.set()
            stage.close()

    asyncio.run(run())


def at_start(*commands: Command) -> Callable[[Event], list[Command]]:
    return lambda event: list(commands) if isinstance(event, Started) else []


def test_store_commands_run_on_threads_and_answers_come_back_in_the_loop(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.host.deliver(Started())
        events = await stage.until(4)
        assert sorted(event.id for event in events[1:] if isinstance(event, Done)) == [1, 2, 3]
        assert all(name.startswith("control-db") for name in stage.blob.threads)

    perform(tmp_path, at_start(*(Head(number, None) for number in (1, 2, 3))), play)


def test_a_renewal_does_not_wait_behind_the_data(tmp_path: Path) -> None:
    """Puts have threads of their own, one a connection."""

    async def play(stage: Stage) -> None:
        stage.blob.let.clear()
        stage.host.deliver(Started())
        await asyncio.sleep(0.05)
        assert stage.host._put_pool._work_queue.qsize() == 2, "six puts, four connections"
        assert stage.host._pool._work_queue.qsize() == 0, "the renewal is on its way"
        stage.blob.let.set()
        await stage.until(8)

    puts = (Clear(number, 0, 512, "lease", 1, None) for number in range(6))
    perform(tmp_path, at_start(*puts, Renew(6, "lease")), play)


def test_a_new_lease_is_durable_before_the_machine_hears_of_it(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.host.deliver(Started())
        ready = (await stage.until(2))[1]
        assert isinstance(ready, LeaseReady)
        assert ready.id == 9
        assert (tmp_path / "db.lease").read_text() == ready.lease

    perform(tmp_path, at_start(NewLease(9)), play)


def test_timers_fire_once_never_early_and_the_later_setting_wins(tmp_path: Path) -> None:
    start = now_us()

    async def play(stage: Stage) -> None:
        stage.host.deliver(Started())
        await stage.until(3)
        await asyncio.sleep(0.1)
        fired = {event.key: at for at, event in stage.machine.seen if isinstance(event, TimerFired)}
        assert [type(event) for event in stage.machine.events()].count(TimerFired) == 2
        assert fired["a"] >= start + 60_000
        assert fired["b"] >= start + 30_000
        assert fired["b"] < fired["a"]

    commands = (
        SetTimer("a", start + 10_000),
        SetTimer("b", start + 30_000),
        SetTimer("a", start + 60_000),
        SetTimer("a", start + 60_000),
    )
    perform(tmp_path, at_start(*commands), play)


def test_a_timer_of_the_past_fires_soon_but_not_within_the_decision(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.host.deliver(Started())
        assert len(stage.machine.seen) == 1
        assert (await stage.until(2))[1] == TimerFired("a")

    perform(tmp_path, at_start(SetTimer("a", 0)), play)


def test_notes_are_told_with_the_volume_s_name(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.host.deliver(Started())
        assert stage.emitted == [("hello", {"volume": "db", "number": 5})]

    perform(tmp_path, at_start(Note("hello", (("number", 5),))), play)


def test_after_close_nothing_is_delivered_any_more(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.blob.let.clear()
        stage.host.deliver(Started())
        stage.host.close()
        stage.blob.let.set()
        stage.host.deliver(Started())
        await asyncio.sleep(0.1)
        assert stage.machine.events() == [Started()]

    perform(tmp_path, at_start(Head(1, None), SetTimer("a", now_us() + 10_000)), play)


@pytest.mark.parametrize("where", ["store", "background"])
def test_a_bug_in_a_thread_reaches_the_loop_s_exception_handler(tmp_path: Path, where: str) -> None:
    """A pool would swallow it, and the machine would wait for its answer for ever."""

    async def play(stage: Stage) -> None:
        fault: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: fault.set_result(context["exception"])
        )
        bug = ValueError("a bug")

        def work() -> Event:
            raise bug

        if where == "store":
            stage.blob.bug = bug
            stage.host.deliver(Started())
        else:
            stage.host.in_background(work)
        async with asyncio.timeout(120):
            assert await fault is bug

    perform(tmp_path, at_start(Head(1, None)), play)
