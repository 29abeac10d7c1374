"""The control socket of a running engine process: one JSON line in, one JSON line out.

A Unix socket in the state folder, for this user alone. `ask` is the client's end, used by
`python -m engine status` and `failover`.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from engine.errors import ConfigurationError, EngineError

SOCKET_NAME = "control.sock"
LINE_BYTES_MAX = 64 * 1024
ANSWER_SECONDS = 10.0
_PATH_BYTES_MAX = 107

Answer = dict[str, object]
Respond = Callable[[Answer], Answer | Awaitable[Answer]]
"""Answers at once, or says later: what takes long must not keep the loop."""


class ControlServer:
    """Answers requests with `respond(request) -> answer`, in the loop's thread."""

    def __init__(self, folder: Path, respond: Respond) -> None:
        self._path = folder / SOCKET_NAME
        self._respond = respond
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. The state folder's lock guarantees that nobody else does."""
        if len(os.fsencode(self._path)) > _PATH_BYTES_MAX:
            raise ConfigurationError(
                f"state folder {self._path.parent}: its path is too long for a Unix socket; choose"
                " a shorter `state` in the policy"
            )
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, str(self._path), limit=LINE_BYTES_MAX
            )
        finally:
            os.umask(before)

    def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the asker went away, or sent a line without end
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "a request is one line of JSON"}
        if not isinstance(request, dict):
            return {"error": "a request is a JSON object"}
        try:
            answer = self._respond(request)
            return answer if isinstance(answer, dict) else await answer
        except EngineError as error:
            return {"error": str(error)}


def ask(folder: Path, request: Answer, seconds: float = ANSWER_SECONDS) -> Answer | None:
    """Ask the process that runs on this state folder; None if none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect(str(folder / SOCKET_NAME))
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b"null")
        except (FileNotFoundError, NotADirectoryError, ConnectionError):
            return None
        except TimeoutError:
            return {"error": f"the process does not answer within {seconds:g} s: it hangs"}
        except (OSError, ValueError) as error:
            return {"error": f"{folder / SOCKET_NAME} cannot be asked: {error}"}
    return answer if isinstance(answer, dict) else None
