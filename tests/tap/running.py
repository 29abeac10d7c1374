"""A tap that runs in a thread of its own, so that blocking clients can talk to it."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from engine.shell.tap import TapHandler, TapServer, serve_tap
from engine.shell.tap_handler import Payload

Result = TypeVar("Result")
Done = Callable[[int], None]


class RunningTap:
    """Starts a loop and a tap in it; whatever goes wrong inside the loop is kept in `faults`."""

    def __init__(self, handler: TapHandler, address: str) -> None:
        self.faults: list[dict[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self.server: TapServer = asyncio.run_coroutine_threadsafe(
                serve_tap(handler, address), self._loop
            ).result(120)
        except BaseException:
            self._stop_loop()
            raise
        self.address = self.server.address

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` in the loop's thread."""

        async def run() -> Result:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(120)

    def drain(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.drain(), self._loop).result(120)

    def stop(self) -> None:
        async def close() -> None:
            self.server.close()
            await self.server.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(120)
        self._stop_loop()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(120)
        self._loop.close()


class HoldingHandler:
    """A volume in memory that answers only when the test says so."""

    def __init__(self, size_bytes: int, name: str = "db") -> None:
        self.name = name
        self.size_bytes = size_bytes
        self.held: list[tuple[str, int, int, bool, Done]] = []
        self.bytes_held = 0
        self.reads = 0

    def read(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return bytes([offset // 512 % 256]) * length

    def write(self, offset: int, data: Payload, fua: bool, done: Done) -> None:
        self.bytes_held += len(data)
        self.held.append(("write", offset, len(data), fua, done))

    def zero(self, offset: int, length: int, fua: bool, done: Done) -> None:
        self.held.append(("zero", offset, length, fua, done))

    def flush(self, done: Done) -> None:
        self.held.append(("flush", 0, 0, False, done))

    def settle(self) -> None:
        """Nothing is done until the test says so."""


def eventually(condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Wait until the condition holds; False if it does not within the time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
