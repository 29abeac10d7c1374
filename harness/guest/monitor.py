"""QEMU's monitor (QMP) over a socket pair: a command and its answer, events passed over.

Only what the lab does to a running guest: give its disk another size, as a storage system would.
"""

import json
import socket
import threading
from typing import Final

from harness.errors import Inconclusive

__all__ = ["Monitor"]

ANSWER_SECONDS: Final = 20.0
ANSWER_BYTES: Final = 1 << 20


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
