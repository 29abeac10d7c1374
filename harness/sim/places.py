"""Pages where replication goes wrong: boundaries, and few enough that writes collide."""

from harness.sim.blob_requests import PAGE_BYTES

__all__ = ["base_pages", "hot_pages"]

MIB_PAGES = (1 << 20) // PAGE_BYTES
REGION_PAGES = 4 * MIB_PAGES


def hot_pages(volume_bytes: int) -> tuple[int, ...]:
    """First and last pages, both sides of a MiB and of a 4 MiB boundary, and a cluster inside."""
    end = volume_bytes // PAGE_BYTES
    wanted = (
        0, 1, 2, MIB_PAGES - 1, MIB_PAGES, MIB_PAGES + 1, REGION_PAGES - 2, REGION_PAGES - 1,
        REGION_PAGES, REGION_PAGES + 1, end - 1, end - 2, end - 3, 3, 4, 5,
    )  # fmt: skip
    return tuple(page for page in wanted if 0 <= page < end)


def base_pages(volume_bytes: int, count: int) -> tuple[int, ...]:
    """Where the volume holds something before it is protected."""
    hot = hot_pages(volume_bytes)
    first = tuple(hot[at * 5 % len(hot)] for at in range(min(count, len(hot))))
    return tuple(dict.fromkeys(first)) + tuple(
        page for page in range(6, 6 + count - len(first)) if page * PAGE_BYTES < volume_bytes
    )
