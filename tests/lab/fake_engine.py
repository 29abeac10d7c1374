"""A fake engine for tests of the adapter: keeps the contract of the real one, replicates nothing.

The primary says that it is protected, answers status and sends heartbeats; the standby hands over
a made-up disk when they stop.
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Any


def say(event: str, **fields: object) -> None:
    """One event line."""
    print(json.dumps({"event": event, "t": time.monotonic(), **fields}), flush=True)  # noqa: T201 - a program of its own


def answer_status(state: Path, volume: str) -> None:
    """Serve the control socket."""
    place = state / "control.sock"
    place.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(place))
        server.listen()
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as lines:
                request = json.loads(lines.readline())
                facts = {"phase": "running", "protected": True, "lag_us": 1_500_000}
                facts |= {"puts_in_flight": 2, "operations_open": 3, "bytes_done": 1 << 20}
                known = request == {"request": "status"}
                answer = {"volumes": {volume: facts}} if known else operate(request)
                lines.write(json.dumps(answer).encode() + b"\n")


def operate(request: dict[str, Any]) -> dict[str, object]:
    """Answer an operator: sizes of whole MiB are given, others refused; there is one point."""
    match request["request"]:
        case "resize" if request["bytes"] % (1 << 20):
            return {"refused": "not now"}
        case "points":
            return {"points": [{"id": "2026", "kind": "request", "size_bytes": 1 << 20}]}
        case "resize" | "point":
            return {"volume": request["volume"], "phase": "running"}
    return {"error": "?"}


def primary(policy: dict[str, Any], folder: Path) -> None:
    """Protect nothing, but say so well."""
    assert os.environ[policy["store"]["connection_string_env"]], "the secret is missing"
    (volume,) = policy["volume"]
    assert volume["label"] == "mine" or volume["name"] == "broken", "the label is missing"
    if volume["name"] == "broken":
        print("no such container; make it first", file=sys.stderr)  # noqa: T201 - a program of its own
        sys.exit(64)
    host, port = policy["heartbeat"]["listen"].split(":")
    say("started", volume=volume["name"])
    status = (folder / policy["primary"]["state"], volume["name"])
    threading.Thread(target=answer_status, args=status, daemon=True).start()
    print("this line is no event", flush=True)  # noqa: T201 - a program of its own
    say("protected", volume=volume["name"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beats:
        while True:
            beats.sendto(b"beat", (host, int(port)))
            time.sleep(policy["heartbeat"]["interval_seconds"])


def standby(policy: dict[str, Any], folder: Path) -> None:
    """Hand over a made-up disk when the heartbeats stop."""
    (volume,) = policy["volume"]
    host, port = policy["heartbeat"]["listen"].split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beats:
        beats.bind((host, int(port)))
        beats.recv(100)
        say("watching")
        beats.settimeout(policy["heartbeat"]["timeout_seconds"])
        while True:
            try:
                beats.recv(100)
            except TimeoutError:
                break
    say("failure-declared")
    disk = {
        "url": "http://127.0.0.1:1/acc/box/db.vhd?sp=r&sig=c2VjcmV0LXNpZw",
        "size_bytes": 1 << 20,
    }
    place = folder / policy["standby"]["state"] / f"{volume['name']}.mount.json"
    place.write_text(json.dumps(disk | {"term": 2}))
    say("mounted", size_bytes=1 << 20)
    signal.pause()


def main() -> None:
    """Run one side."""
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["primary", "standby"])
    parser.add_argument("--policy", type=Path)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    policy = tomllib.loads(arguments.policy.read_text())
    {"primary": primary, "standby": standby}[arguments.side](policy, arguments.policy.parent)


if __name__ == "__main__":
    main()
