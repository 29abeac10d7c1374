"""QEMU's monitor (QMP) over a socket pair: a command and its answer, events passed over.

Only what the lab does to a running guest: give its disk another size, as a storage system would.
"""

import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Final

from harness.errors import Inconclusive

__all__ = ["Monitor", "swap_disk"]

ANSWER_SECONDS: Final = 20.0
ANSWER_BYTES: Final = 1 << 20
CONNECT_SECONDS: Final = 10.0
CONNECT_PAUSE_SECONDS: Final = 0.02
DISK: Final = "disk0"


class Monitor:
    """Our end of the monitor's connection; several threads may give commands."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(ANSWER_SECONDS)
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._lock = threading.Lock()
        self._greeted = False

    def command(self, name: str, **arguments: object) -> object:
        """Give a command (`_` in the names of arguments stands for `-`); return its answer.

        `Inconclusive` if QEMU refuses it, is gone, or does not answer.
        """
        with self._lock:
            if not self._greeted:
                self._read()
                self._ask("qmp_capabilities", {})
                self._greeted = True
            return self._ask(name, {key.replace("_", "-"): v for key, v in arguments.items()})

    def close(self) -> None:
        """Close the connection; QEMU does not mind."""
        self._stream.close()
        self._connection.close()

    def _ask(self, name: str, arguments: dict[str, object]) -> object:
        question = json.dumps({"execute": name, "arguments": arguments})
        try:
            self._connection.sendall(question.encode() + b"\n")
        except OSError as error:
            raise Inconclusive(f"QEMU's monitor took no command: {error.strerror}") from error
        while True:
            answer = self._read()
            if "error" in answer:
                raise Inconclusive(f"QEMU refused {name}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def _read(self) -> dict[str, object]:
        try:
            line = self._stream.readline(ANSWER_BYTES)
        except OSError as error:
            raise Inconclusive(f"QEMU's monitor does not answer: {error}") from error
        if not line:
            raise Inconclusive("QEMU's monitor ended: the guest is gone")
        answer = json.loads(line)
        return answer if isinstance(answer, dict) else {}


def swap_disk(
    monitor: Monitor, number: int, connection: Mapping[str, object], size_bytes: int
) -> None:
    """Move the guest's first disk to its connection `number`, 1 being the first after its start.

    While the machine is stopped its disk hangs on nothing (`null-co`), which no request can reach.
    """
    nothing, node, before = f"nothing{number}", f"connection{number}", f"connection{number - 1}"
    monitor.command("stop")
    monitor.command("blockdev-add", driver="null-co", node_name=nothing, size=size_bytes)
    _hang_on(monitor, nothing)
    if number > 1:  # the first was part of the command line and went by itself
        monitor.command("blockdev-del", node_name=before)
    _connect(monitor, node, connection)
    _hang_on(monitor, node)
    monitor.command("blockdev-del", node_name=nothing)
    monitor.command("block_resize", node_name=DISK, size=size_bytes)
    monitor.command("cont")


def _hang_on(monitor: Monitor, node: str) -> None:
    disk = {"driver": "raw", "node-name": DISK, "file": node}
    monitor.command("blockdev-reopen", options=[disk])


def _connect(monitor: Monitor, node: str, connection: Mapping[str, object]) -> None:
    """Connect; again if the server has not yet noticed that the earlier connection ended."""
    deadline = time.monotonic() + CONNECT_SECONDS
    while time.monotonic() < deadline:
        try:
            monitor.command("blockdev-add", **connection, node_name=node)
        except Inconclusive:
            time.sleep(CONNECT_PAUSE_SECONDS)
        else:
            return
    monitor.command("blockdev-add", **connection, node_name=node)
