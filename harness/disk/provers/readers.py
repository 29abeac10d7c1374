"""Two readers that QEMU's authors did not write: libvhdi (C) and dissect.hypervisor (Python).

Each opens the disk through a file object of ours, so that a URL is read with no copy. Its size must
be the strict reading's and its view of all data must have the strict reading's digest. Neither
checks the footer's checksum (facts.md 1.4): they stand beside the strict reading, not for it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version

from harness.disk.case import Case, Opinion
from harness.disk.content import Content, read_content
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.ranged_file import RangedFile
from harness.errors import Inconclusive

Reader = tuple[int, Callable[[int, int], bytes]]
"""Size in bytes, and a read of (offset, length)."""


class Libvhdi:
    """Joachim Metz's libvhdi. It believes the footer's original size."""

    name = "libvhdi"
    consumers = ALL_CONSUMERS

    def judge(self, case: Case) -> Opinion:
        """Read the disk with pyvhdi."""
        try:
            import pyvhdi  # noqa: F401 - asked for only to know that it is here
        except ImportError:
            raise missing("libvhdi (Python package libvhdi-python)") from None
        return judge_reader(case, f"libvhdi {version('libvhdi-python')}", _open_libvhdi)


class Dissect:
    """Fox-IT's dissect.hypervisor. It believes the footer's current size."""

    name = "dissect.hypervisor"
    consumers = ALL_CONSUMERS

    def judge(self, case: Case) -> Opinion:
        """Read the disk with dissect.hypervisor."""
        try:
            import dissect.hypervisor  # noqa: F401 - asked for only to know that it is here
        except ImportError:
            raise missing("dissect.hypervisor (Python package)") from None
        return judge_reader(
            case, f"dissect.hypervisor {version('dissect.hypervisor')}", _open_dissect
        )


def missing(what: str) -> Inconclusive:
    """Return the error for a reader that is not installed."""
    return Inconclusive(
        f"{what} cannot be found here, so this proof is missing; `mountproof doctor` says how to "
        "get it"
    )


@contextmanager
def _open_libvhdi(file: RangedFile) -> Iterator[Reader]:
    import pyvhdi

    image = pyvhdi.file()
    image.open_file_object(file)
    try:
        yield (
            image.get_media_size(),
            lambda offset, length: image.read_buffer_at_offset(length, offset),
        )
    finally:
        image.close()


@contextmanager
def _open_dissect(file: RangedFile) -> Iterator[Reader]:
    from dissect.hypervisor.disk.vhd import VHD

    image = VHD(file)

    def read(offset: int, length: int) -> bytes:
        image.seek(offset)
        data: bytes = image.read(length)
        return data

    yield image.size, read


def judge_reader(
    case: Case, tool: str, opener: Callable[[RangedFile], AbstractContextManager[Reader]]
) -> Opinion:
    """Open the disk with a reader and compare size and content with the strict reading."""
    file = RangedFile(case.disk)
    lines = [tool, f"disk {case.disk.name}"]
    try:
        with opener(file) as (size, read):
            lines.append(f"size {size}")
            seen = None if size != case.size_bytes else read_content(read, case.extents, None)
    except Exception as error:  # noqa: BLE001 - readers raise whatever their format code meets
        if file.trouble is not None:
            raise file.trouble from None
        lines.append(f"error {type(error).__name__}: {error}")
        return Opinion("bad", f"{tool} refuses the disk: {_first_line(error)}", _raw(lines))
    if seen is None:
        return _other_size(case, tool, size, lines)
    lines += [f"data bytes {seen.data_bytes}", f"digest sha256 {seen.digest}"]
    return _compare(case, tool, seen, lines)


def _other_size(case: Case, tool: str, size: int, lines: list[str]) -> Opinion:
    if case.size_bytes is None:
        told = f"{tool} opens it with {size} bytes; no valid size to agree on"
        return Opinion("not applicable", told, _raw(lines))
    told = f"{tool} shows {size} bytes, the disk has {case.size_bytes}"
    return Opinion("bad", told, _raw(lines))


def _compare(case: Case, tool: str, seen: Content, lines: list[str]) -> Opinion:
    ours = case.content.result()
    if seen.digest != ours.digest:
        return Opinion("bad", f"{tool} reads other content than is stored", _raw(lines))
    told = f"{tool} agrees: {case.size_bytes} bytes, {seen.data_bytes} of data, same digest"
    return Opinion("good", told, _raw(lines), {"digest": seen.digest})


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _raw(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
