"""What an engine process tells the world: one JSON line per event on standard output.

`t` is CLOCK_MONOTONIC in seconds, which all processes of one machine share. Every text is redacted.
"""

import json
import sys
import threading
import time

from engine.shell.redaction import redact

_lock = threading.Lock()


def emit(event: str, fields: dict[str, str | int | float]) -> None:
    """Print one event and flush it. A reader that went away is not our failure."""
    line = json.dumps({"event": event, "t": round(time.monotonic(), 6), **fields})
    with _lock:
        try:
            sys.stdout.write(redact(line) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115, PTH123 until exit
