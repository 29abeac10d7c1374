"""What is simpler than a given schedule: every candidate that a shrinker tries, most drastic first.

Each candidate is a valid schedule, differs in one thing, and is simpler by an order that has no
cycle: default values are simpler than others, smaller numbers than larger ones, rounder times than
odd ones. So a shrinker that takes whatever still fails comes to an end.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from harness.errors import UsageError
from harness.schedule import Schedule, Setup, Step, check_schedule

__all__ = ["simpler_setups", "simpler_steps", "simpler_times"]

ROUND_US: Final = (1_000_000, 100_000, 10_000, 1_000, 100)
PAGE_BYTES: Final = 512
SMALL: Final = 64
"""A number up to here is also tried one less."""
LARGE: Final = 4096
"""A number past this may be a size, which stays a multiple of a page."""
_DROPPED_TO: Final[dict[str, tuple[int, ...]]] = {
    "page": (0, 1), "pages": (1, 2), "skip": (0, 1), "times": (1,), "for_us": (0, 1_000_000),
    "by_us": (1_000_000,), "tear": (0, 1), "volume_bytes": (1 << 20, 2 << 20, 4 << 20),
    "base_pages": (0, 1), "connections": (1, 2), "points_keep": (1,),
}  # fmt: skip
"""Numbers that count something, with the least values worth a try before they are halved. Bounds
and intervals are not among them: a smaller one is not simpler, and asks for more events."""


def simpler_setups(schedule: Schedule) -> Iterator[Schedule]:
    """The same steps on a plainer stage."""
    if schedule.setup != Setup():
        yield from _valid(msgspec.structs.replace(schedule, setup=Setup()))
    for name, value in _simpler_fields(schedule.setup):
        setup = msgspec.structs.replace(schedule.setup, **{name: value})
        yield from _valid(msgspec.structs.replace(schedule, setup=setup))


def simpler_steps(schedule: Schedule) -> Iterator[Schedule]:
    """The same stage, one step plainer; times stay."""
    for at, step in enumerate(schedule.steps):
        for name, value in _simpler_fields(step):
            if name != "at_us":
                yield from _with(schedule, at, msgspec.structs.replace(step, **{name: value}))


def simpler_times(schedule: Schedule) -> Iterator[Schedule]:
    """One step earlier, at a rounder time that is not before the step that it follows."""
    for at, step in enumerate(schedule.steps):
        for unit in ROUND_US:
            rounded = step.at_us - step.at_us % unit
            if rounded != step.at_us:
                yield from _with(schedule, at, msgspec.structs.replace(step, at_us=rounded))


def _simpler_fields(part: Setup | Step) -> Iterator[tuple[str, Any]]:
    """Each field with a simpler value: its default, a smallest value, half of it."""
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        has_default = field.default is not msgspec.NODEFAULT
        if has_default and value == field.default:
            continue
        if has_default:
            yield field.name, field.default
        if field.name in _DROPPED_TO:
            yield from ((field.name, less) for less in _less(field.name, value, field.default))


def _less(name: str, value: int, default: Any) -> Iterator[int]:  # noqa: ANN401 - any field's
    """Smaller numbers; none below or at the default, which was tried and is simplest."""
    floor = default if isinstance(default, int) and default < value else -1
    half = value // 2 if value <= LARGE else value // 2 // PAGE_BYTES * PAGE_BYTES
    one_less = [value - 1] if value <= SMALL else []
    candidates = [*_DROPPED_TO[name], half, *one_less]
    yield from (less for less in candidates if floor < less < value)


def _with(schedule: Schedule, at: int, step: Step) -> Iterator[Schedule]:
    steps = (*schedule.steps[:at], step, *schedule.steps[at + 1 :])
    return _valid(msgspec.structs.replace(schedule, steps=steps))


def _valid(schedule: Schedule) -> Iterator[Schedule]:
    """The schedule if it is one: `replace` checks neither bounds nor order."""
    try:
        checked = msgspec.convert(msgspec.to_builtins(schedule), Schedule)
        check_schedule(checked)
    except (msgspec.ValidationError, UsageError):
        return
    yield checked
