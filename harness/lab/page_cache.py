"""Keeps a volume in the kernel's cache in such a way that /proc/PID/io tells who wrote how much.

`write_bytes` counts pages when they become dirty, and three things beside the writes themselves
would be counted with them: the rest of a larger page of the cache (large folios, Linux from 6.x
on), pages that were evicted and came back larger (some kernels evict idle pages all the time), and
the file system's own blocks when space is allocated. So space is allocated beforehand by whoever
makes the volume, and here the cache is filled page by page and locked.
"""

import contextlib
import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

__all__ = ["KERNEL_PAGE", "held_in_small_pages"]

KERNEL_PAGE: Final = 4096


@contextlib.contextmanager
def held_in_small_pages(path: Path, size_bytes: int) -> Iterator[bool]:
    """Keep the first `size_bytes` of a file cached in pages of 4 KiB; nothing is written.

    Yields whether they are locked. Without the right to lock memory (RLIMIT_MEMLOCK) they are only
    cached: idle ones may be evicted, and count for more when they are written.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for offset in range(0, size_bytes, KERNEL_PAGE):
            os.pread(file.fileno(), 1, offset)
        with mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ) as mapped:
            # Unmapping unlocks. The array is dropped first: an exported mapping cannot be closed.
            address = np.frombuffer(mapped, np.uint8).ctypes.data
            locked = libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size_bytes)) == 0
            yield locked
