"""`python -m harness.bench.sdk_put_loop`: the rival, a bare loop of the SDK's `upload_page`.

Same arguments, same places in the blob and same answer as `python -m engine.shell.put_loop`; no
lease, no condition and no checksum, as a plain user of the SDK would do it.
"""

import argparse
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Final

from azure.storage.blob import BlobClient

SPAN_BYTES: Final = 64 << 20
PAGE_BYTES: Final = 512
WARM_UP_PUTS: Final = 20


def run(blob: BlobClient, put_bytes: int, connections: int, seconds: float) -> tuple[int, float]:
    """Put from as many threads for that long; returns the puts and the seconds they took."""
    payload, slots = os.urandom(put_bytes), SPAN_BYTES // put_bytes
    numbers, lock = count(), threading.Lock()

    def put() -> None:
        with lock:
            slot = next(numbers) % slots
        blob.upload_page(payload, offset=slot * put_bytes, length=put_bytes)

    def work(_thread: int) -> int:
        done = 0
        while time.monotonic() < deadline:
            put()
            done += 1
        return done

    for _ in range(WARM_UP_PUTS):
        put()
    began = time.monotonic()
    deadline = began + seconds
    with ThreadPoolExecutor(connections) as pool:
        puts = sum(pool.map(work, range(connections)))
    return puts, time.monotonic() - began


def main(argv: list[str] | None = None) -> int:
    """Measure once; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.bench.sdk_put_loop")
    parser.add_argument("--store-env", required=True)
    parser.add_argument("--container", required=True)
    parser.add_argument("--blob", required=True)
    parser.add_argument("--put-bytes", type=int, default=4096)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    asked = parser.parse_args(argv)
    connection_string = os.environ[asked.store_env]
    client = BlobClient.from_connection_string(connection_string, asked.container, asked.blob)
    with client as blob:
        blob.create_page_blob(SPAN_BYTES + PAGE_BYTES)
        puts, seconds = run(blob, asked.put_bytes, asked.connections, asked.seconds)
    print(json.dumps({"puts": puts, "bytes": puts * asked.put_bytes, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
