"""What an operator asks of a running primary: another size, a recovery point, the list of them.

Answers are plain objects for the control socket: `refused` says why something was not done.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Final

from engine.core.primary import ENDED
from engine.errors import ConfigurationError
from engine.shell.control import Answer
from engine.shell.primary_volume import PrimaryVolume
from engine.shell.tap_handler import Done
from engine.units import BLOB_BYTES_MAX, FOOTER_BYTES, MIB, PAGE_BYTES

DONE_SECONDS: Final = 45.0
"""After this the asker is told that it goes on; it is never given up."""

_MEANING: Final = {
    errno.EINVAL: "the volume cannot have this size now",
    errno.EBUSY: "another such request is on its way",
    errno.EIO: "this site may not, or cannot, do it",
}


async def resize(host: PrimaryVolume, request: Answer) -> Answer:
    """Give the volume the size `bytes`, or, with `grow`, so many bytes more."""
    wanted, more = request.get("bytes"), request.get("grow") is True
    if type(wanted) is not int:
        raise ConfigurationError("`resize` needs `bytes`, a whole number")
    size = host.size_bytes + wanted if more else wanted
    if size <= 0 or size % PAGE_BYTES or size > BLOB_BYTES_MAX - FOOTER_BYTES - MIB:
        raise ConfigurationError(
            f"{size} bytes is no size for a volume: a positive multiple of {PAGE_BYTES}, at most"
            f" {BLOB_BYTES_MAX - FOOTER_BYTES - MIB}"
        )
    if not host.volume.may_have(size):
        return _refused(host, "the block device has another size: change that first, then ask")
    answer = await _ask(host, lambda done: host.resize(size, done))
    return {**answer, "size_bytes": host.size_bytes}


async def take_point(host: PrimaryVolume) -> Answer:
    """Take a recovery point now."""
    return await _ask(host, host.take_point)


async def _ask(host: PrimaryVolume, begin: Callable[[Done], None]) -> Answer:
    if host.machine.phase in ENDED:
        return _refused(host, f"it is {host.machine.phase.value}: {host.machine.reason}")
    answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def done(error: int) -> None:
        if not answered.done():
            answered.set_result(error)

    begin(done)
    try:
        error = await asyncio.wait_for(answered, DONE_SECONDS)
    except TimeoutError:
        return {"volume": host.name, "pending": f"not done after {DONE_SECONDS:.0f} s, it goes on"}
    if error:
        meaning = _MEANING.get(error, os.strerror(error))
        why = f" ({host.machine.reason})" if host.machine.reason else ""
        return _refused(host, meaning + why)
    return {"volume": host.name, "phase": host.machine.phase.value}


def _refused(host: PrimaryVolume, reason: str) -> Answer:
    return {"volume": host.name, "refused": reason}
