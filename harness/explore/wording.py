"""Schedules in words: what a step does and how a stage differs from the plain one."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from harness.checkers.observation import BASE
from harness.schedule import (
    ClockJump,
    Failover,
    Fault,
    Flush,
    Heal,
    Kill,
    Pause,
    Point,
    PowerLoss,
    Resize,
    Schedule,
    Setup,
    Start,
    Step,
    Stop,
    Write,
    Zero,
)  # fmt: skip

__all__ = ["say_pages", "say_setup", "say_size", "say_step", "say_time", "say_values"]

PAGE_BYTES = 512
_VALUE: Final = re.compile(r"\bvalue (\d+)\b")
MIB = 1 << 20


def say_time(at_us: int) -> str:
    """Seconds of the run, as many digits as it takes."""
    text = f"{at_us / 1e6:.6f}".rstrip("0")
    return f"{text}0 s" if text.endswith(".") else f"{text} s"


def say_size(size_bytes: int) -> str:
    """MiB where it is whole, else MiB and pages."""
    whole, rest = divmod(size_bytes, MIB)
    if not rest:
        return f"{whole} MiB"
    count = rest // PAGE_BYTES
    pages = "1 page" if count == 1 else f"{count} pages"
    return f"{whole} MiB + {pages}" if whole else pages


def say_values(text: str) -> str:
    """A checker's text with page values, which are numbers, named by where they come from."""
    return _VALUE.sub(lambda found: _say_value(int(found[1])), text)


def _say_value(value: int) -> str:
    return "what was there before the run" if value >= BASE else f"the value of operation {value}"


def say_pages(first: int, count: int) -> str:
    """An extent in pages."""
    return f"page {first}" if count == 1 else f"pages {first} to {first + count - 1}"


def say_setup(schedule: Schedule) -> str:
    """The mode, order and size, then whatever is not as usual."""
    setup, plain = schedule.setup, Setup()
    said = [f"mode {setup.mode}", f"order {setup.order}", say_size(setup.volume_bytes)]
    for field in msgspec.structs.fields(Setup):
        value = getattr(setup, field.name)
        if field.name not in {"mode", "order", "volume_bytes"} and value != getattr(
            plain, field.name
        ):
            said.append(f"{field.name.replace('_', ' ')} {value}")
    return ", ".join(said)


def say_step(step: Step) -> str:
    """What a step does, in one sentence without its time."""
    return _SENTENCES[type(step)](step)


def _say_power_loss(step: PowerLoss) -> str:
    lost = "some of what it had not flushed" if step.tear else "all it had not flushed"
    return f"the primary's machine loses power, and its volume {lost}"


def _say_fault(step: Fault) -> str:
    said = f"{step.fault} at {step.node}"
    if step.on != "any":
        said += f", on {step.on} requests"
    if step.times > 1:
        said += f", {step.times} times"
    if step.skip:
        said += f", after {step.skip} of them"
    if step.for_us:
        said += f", for {say_time(step.for_us)}"
    return f"{said}, page {step.page}" if step.fault == "bit-rot" else said


_SENTENCES: Final[dict[type[Step], Callable[[Any], str]]] = {
    Write: lambda step: f"a client writes {say_pages(step.page, step.pages)}{_fua(step)}",
    Zero: lambda step: f"a client trims {say_pages(step.page, step.pages)}{_fua(step)}",
    Flush: lambda _step: "a client flushes",
    Resize: lambda step: f"an operator resizes the volume to {say_size(step.volume_bytes)}",
    Point: lambda _step: "an operator asks for a recovery point",
    Fault: _say_fault,
    Heal: lambda step: f"{step.fault} at {step.node} ends",
    Kill: lambda step: f"{step.node} is killed",
    Start: lambda step: f"{step.node} is started{', seeding anew' if step.reseed else ''}",
    Pause: lambda step: f"{step.node} is paused for {say_time(step.for_us)}",
    PowerLoss: _say_power_loss,
    ClockJump: lambda step: f"the clock of {step.node} jumps ahead by {say_time(step.by_us)}",
    Stop: lambda _step: "an operator stops the primary",
    Failover: lambda step: f"an operator has {step.node} take over{_forced(step)}",
}


def _fua(step: Write | Zero) -> str:
    return " (FUA)" if step.fua else ""


def _forced(step: Failover) -> str:
    return " by force" if step.forced else ""
