"""The machines of a Dask cluster as the workforce of a swarm.

Every machine needs this version of mountproof (and the foreign core, if there is one). Dask gives
the chunks of a dead worker to another; a chunk that killed several comes back as lost, and the
swarm narrows it down to the seed that does it.
"""

import queue
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Any, Final

import msgspec
from dask.typing import Key
from distributed import Client, Future, KilledWorker

from harness.errors import Inconclusive
from harness.explore.chunk import Chunk
from harness.explore.worker import Reply, answer
from harness.explore.workforce import Lost, Message

__all__ = ["DaskWorkers"]

CONNECT_SECONDS: Final = 10
CHUNKS_PER_THREAD: Final = 2
"""So many chunks under way keep a worker busy while a report travels."""


class DaskWorkers:
    """Chunks as tasks of a cluster whose scheduler is at an address."""

    def __init__(self, address: str) -> None:
        self._address = address
        try:
            self._client: Any = Client(  # type: ignore[no-untyped-call]
                address, timeout=CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise Inconclusive(f"--dask {address}: no scheduler answers there: {error}") from error
        self._chunks: dict[Key, tuple[Chunk, Future[bytes]]] = {}
        self._done: queue.SimpleQueue[Key] = queue.SimpleQueue()
        self._threads = self._count_threads()

    @property
    def room(self) -> int:
        """How many more chunks keep every thread of the cluster busy."""
        return max(0, self._threads * CHUNKS_PER_THREAD - len(self._chunks))

    def submit(self, chunk: Chunk) -> None:
        """Send a chunk to the cluster."""
        future: Any = self._client.submit(run_packed, msgspec.msgpack.encode(chunk), pure=False)
        self._chunks[future.key] = (chunk, future)
        future.add_done_callback(lambda done: self._done.put(done.key))

    def wait(self, seconds: float) -> Sequence[Message]:
        """Reports that have come in."""
        try:
            keys = [self._done.get(timeout=seconds)]
        except queue.Empty:
            self._threads = self._count_threads()
            return []
        while not self._done.empty():
            keys.append(self._done.get())
        return [self._message(*self._chunks.pop(key)) for key in keys]

    def close(self) -> None:
        """Leave the cluster; what is under way is cancelled."""
        self._client.cancel([future for _, future in self._chunks.values()])
        self._client.close()

    def _count_threads(self) -> int:
        """Threads of all workers; a cluster without any may get one later, so one at least."""
        try:
            threads: int = sum(self._client.nthreads().values())
        except OSError as error:
            raise Inconclusive(f"--dask {self._address}: the scheduler is gone: {error}") from error
        return max(1, threads)

    def _message(self, chunk: Chunk, future: "Future[bytes]") -> Message:
        try:
            packed: bytes = future.result()
        except KilledWorker as error:
            return Lost(chunk, f"it killed several workers of the cluster: {error}")
        except (CancelledError, OSError) as error:
            raise Inconclusive(f"--dask {self._address}: the cluster is gone: {error}") from error
        reply: Reply = msgspec.msgpack.decode(packed, type=Reply)
        return reply


def run_packed(packed: bytes) -> bytes:
    """What a worker of the cluster runs; bytes in and out, so that no class is pickled."""
    return msgspec.msgpack.encode(answer(msgspec.msgpack.decode(packed, type=Chunk)))
