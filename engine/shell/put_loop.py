"""`python -m engine.shell.put_loop`: put pages as fast as the store path can, and say how fast.

A measuring tool: the very path that replication uses (lease, sequence-number condition, checksum,
kept-alive connections of our own), without volume, tap and core. The blob is made anew; one JSON
line tells puts, bytes and seconds. The store's credentials are in a variable of the environment.
"""

import argparse
import json
import os
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from engine.core.messages import Acquire, Create, Done, Part, Put, StoreCommand
from engine.errors import EngineError, StoreUnavailable
from engine.shell.page_blob import PageBlob
from engine.shell.redaction import redact
from engine.shell.store_account import open_account
from engine.units import MIB, PAGE_BYTES

SPAN_BYTES = 64 * MIB
"""Puts go round and round over this much of the blob."""

LEASE_SECONDS = 60
WARM_UP_PUTS = 20

SWITCH_SECONDS = 0.0002
"""Threads take turns as often as in the engine's processes (engine/__main__.py)."""


class PutLoop:
    """One blob under a lease of our own, and threads that put into it."""

    def __init__(self, blob: PageBlob, put_bytes: int) -> None:
        self._blob = blob
        self._ids = count(1)
        self._lease = str(uuid.uuid4())
        self._payload = os.urandom(put_bytes)
        self._slots = SPAN_BYTES // put_bytes
        self._puts = count()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the blob, lease it, and put a few times, so that connections and code are warm."""
        self._do(Create(next(self._ids), SPAN_BYTES + PAGE_BYTES, (), 1))
        self._do(Acquire(next(self._ids), self._lease, LEASE_SECONDS, "*"))
        self._blob.execute(self._next_put())  # a service may have a checksum to decline
        for _ in range(WARM_UP_PUTS - 1):
            self.put()

    def put(self) -> None:
        """Put once, at the next place. Raises StoreUnavailable if it is not applied."""
        self._do(self._next_put())

    def _next_put(self) -> Put:
        with self._lock:
            number, slot = next(self._ids), next(self._puts) % self._slots
        size = len(self._payload)
        part = Part(self._payload, 0, size)
        return Put(number, slot * size, size, (part,), self._lease, 1, None)

    def run(self, connections: int, seconds: float) -> tuple[int, float]:
        """Put from as many threads for that long; returns the puts and the seconds they took."""
        began = time.monotonic()
        deadline = began + seconds

        def work(_thread: int) -> int:
            done = 0
            while time.monotonic() < deadline:
                self.put()
                done += 1
            return done

        with ThreadPoolExecutor(connections) as pool:
            puts = sum(pool.map(work, range(connections)))
        return puts, time.monotonic() - began

    def _do(self, command: StoreCommand) -> None:
        answer = self._blob.execute(command)
        if not isinstance(answer, Done):
            raise StoreUnavailable(f"{type(command).__name__} was not applied: {answer.detail}")


def main(argv: list[str] | None = None) -> int:
    """Measure once; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.shell.put_loop", description=__doc__)
    parser.add_argument("--store-env", required=True, help="variable with the connection string")
    parser.add_argument("--container", required=True)
    parser.add_argument("--blob", required=True, help="name of a blob that does not exist")
    parser.add_argument("--put-bytes", type=int, default=4096)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args(argv)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        account = open_account(os.environ.get(asked.store_env, ""))
        loop = PutLoop(PageBlob(account, asked.container, asked.blob), asked.put_bytes)
        loop.prepare()
        puts, seconds = loop.run(asked.connections, asked.seconds)
        account.close()
    except EngineError as error:
        sys.stderr.write(f"put loop: {redact(str(error))}\n")
        return error.exit_code
    told = {"puts": puts, "bytes": puts * asked.put_bytes, "seconds": seconds}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
