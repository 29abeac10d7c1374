"""One worker process of a swarm: takes chunks from its standard input, answers with reports.

Frames in both directions are a length (4 bytes, big endian) and a message in msgpack. The process
ends when its input does, so no worker outlives whoever started it. Whatever a foreign core prints
goes to standard error, which the workforce keeps to explain a death.
"""

import os
import signal
import sys
import traceback
from typing import BinaryIO, Final

import msgspec

from harness.explore.chunk import Chunk, ChunkReport, run_chunk
from harness.explore.determinism import NondeterminismError
from harness.sim.garbage import collect_seldom

__all__ = ["Failure", "Reply", "read_frame", "write_frame"]

FRAME_BYTES_MAX: Final = 64 << 20


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """A chunk could not be run, for a reason of ours: `nondeterminism` or `internal`."""

    first: int
    kind: str
    text: str


class Success(msgspec.Struct, frozen=True, tag="report"):
    """A chunk was run."""

    report: ChunkReport


Reply = Success | Failure


def write_frame(stream: BinaryIO, message: bytes) -> None:
    """Write one frame and push it out."""
    stream.write(len(message).to_bytes(4, "big") + message)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, or None where the stream ended, in mid-frame or not."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    message = stream.read(size) if size <= FRAME_BYTES_MAX else b""
    return message if len(message) == size else None


def answer(chunk: Chunk) -> Reply:
    """Run a chunk; an error becomes a message, for it has to cross a process boundary."""
    try:
        return Success(run_chunk(chunk))
    except NondeterminismError as error:
        return Failure(chunk.first, "nondeterminism", str(error))
    except Exception:  # noqa: BLE001 - whoever started us decides what it means
        return Failure(chunk.first, "internal", traceback.format_exc())


def serve() -> None:
    """Answer chunks until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started us
    private = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    collect_seldom()
    with private:
        while (frame := read_frame(sys.stdin.buffer)) is not None:
            chunk = msgspec.msgpack.decode(frame, type=Chunk)
            write_frame(private, msgspec.msgpack.encode(answer(chunk)))


if __name__ == "__main__":
    serve()
