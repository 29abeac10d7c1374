"""bench oracle: judging a disk image of real size, against only summing its bytes.

The image is full: every page was written, most of them more than once, by writes of 512 bytes to
128 KiB (a page of zeros would be judged much faster). The workload had several writes in flight,
and the kill left some of the last ones out. Decoding and judgement are one figure; one core, for
numpy's element-wise loops use no threads. The rival is zlib's CRC-32 over the same bytes, the least
that a comparison of images by checksum costs. That the oracle sees is checked here too: the image
must pass, and must not with one page of it set back.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from harness.bench.pairs import Measurements, interleave
from harness.bench.scene import Scene
from harness.errors import Inconclusive
from harness.oracle.admissible import Judgement, judge_image
from harness.oracle.history import History, Write
from harness.oracle.loss import LossRule
from harness.oracle.pages import PAGE_BYTES, decode_pages, encode_pages

__all__ = ["run"]

GIB: Final = 1 << 30
IMAGE_BYTES: Final = 512 << 20
QUICK_IMAGE_BYTES: Final = 16 << 20
WRITE_PAGES_MAX: Final = 256
IN_FLIGHT: Final = 8
VOLUME: Final = 77
RULE: Final = LossRule("async", failed_s=0.0)


def run(scene: Scene) -> Measurements:
    """Judge the same image again and again, in turn with the rival."""
    size = QUICK_IMAGE_BYTES if scene.order.quick else IMAGE_BYTES
    scene.say(f"writing an image of {size >> 20} MiB")
    case = make_case(size, random.Random(size))
    _prove_that_it_sees(case)
    scene.say(f"{scene.order.pairs} pairs with CRC-32 over {len(case.history.writes)} writes")
    rates = interleave(
        {
            "judge": lambda: size / GIB / _seconds(case.judge),
            "decode": lambda: size / GIB / _seconds(lambda: decode_pages(case.image, VOLUME)),
            "crc": lambda: size / GIB / _seconds(lambda: crc32(case.image)),
        },
        scene.order.pairs,
    )
    found = Measurements()
    found.add_figure("image_gib_per_s", rates["judge"])
    found.add_figure("decode_gib_per_s", rates["decode"])
    found.add_figure("crc32_gib_per_s", rates["crc"])
    found.add_ratio("vs_crc32", rates["judge"], rates["crc"])
    found.add_figure("image_bytes", [size])
    found.add_figure("writes", [len(case.history.writes)])
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """An image and the history of its workload."""

    image: bytearray
    history: History

    def judge(self) -> Judgement:
        """All that the oracle does with an image."""
        return judge_image(decode_pages(self.image, VOLUME), self.history, "strict", RULE)


def make_case(size: int, draw: random.Random) -> Case:
    """Fill the image from front to back, then write as much again anywhere."""
    case = Case(bytearray(size), History())
    pages, at, written = size // PAGE_BYTES, 0, 0
    flying: deque[Write] = deque()
    position = 0
    while written < 2 * pages:
        count = min(draw.randint(1, WRITE_PAGES_MAX), pages)
        first = at if at < pages else draw.randrange(pages - count)
        count = min(count, pages - first)
        while flying and (len(flying) == IN_FLIGHT or _overlaps(flying, first, count)):
            position = _complete(flying.popleft(), position)
        position += 1
        write = Write(len(case.history.writes) + 1, first, count, "data", position, 0.0)
        case.history.writes.append(write)
        flying.append(write)
        _put(case.image, write)
        at, written = at + count, written + count
    return case


def _overlaps(flying: deque[Write], first: int, count: int) -> bool:
    return any(w.first_page < first + count and first < w.end_page for w in flying)


def _complete(write: Write, position: int) -> int:
    write.completed, write.completed_s = position + 1, -1.0
    return write.completed


def _put(image: bytearray, write: Write) -> None:
    data = encode_pages(VOLUME, write.number, write.first_page, write.pages)
    image[write.first_page * PAGE_BYTES : write.end_page * PAGE_BYTES] = data


def _prove_that_it_sees(case: Case) -> None:
    """The image is admissible; with the first page of the first write it is not."""
    if not case.judge().admissible:
        raise Inconclusive("the oracle refuses the bench's own image: nothing was measured")
    kept = bytes(case.image[:PAGE_BYTES])
    case.image[:PAGE_BYTES] = encode_pages(VOLUME, 1, 0, 1)
    stale = kept != case.image[:PAGE_BYTES]
    seen = case.judge().admissible
    case.image[:PAGE_BYTES] = b"\1" * PAGE_BYTES
    torn = case.judge().finding
    case.image[:PAGE_BYTES] = kept
    if (stale and seen) or torn is None:
        raise Inconclusive("the oracle passes an image that is not admissible: it sees nothing")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
