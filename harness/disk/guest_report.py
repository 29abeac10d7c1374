"""What the prover guest said, line by line, and what its lines mean for the disk. Pure.

The guest (harness/guest/agent/prove.c) sends `step NAME key=value ...` for each step, `out NAME
TEXT` for a program's output, and ends with `end verdict=...`. Its own verdict is not enough: size
and digest must be the strict reading's, and the ledger must hold what was acknowledged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from harness.disk.expected_ledger import ExpectedLedger

_EXT: Final = "ext"


@dataclass(frozen=True, slots=True)
class GuestReport:
    """The guest's lines by their meaning; a step that was not reached is missing from `steps`."""

    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    end: dict[str, str] | None = None

    def text(self, step: str, key: str, otherwise: str = "") -> str:
        """Return one value of a step."""
        return self.steps.get(step, {}).get(key, otherwise)

    def number(self, step: str, key: str, otherwise: int = -1) -> int:
        """Return one number of a step."""
        text = self.text(step, key)
        return int(text) if text.lstrip("-").isdigit() else otherwise

    @property
    def filesystem(self) -> str:
        """Name of the file system that the guest recognised, `none` without one."""
        return self.text("filesystem", "type", "unknown")

    @property
    def is_mountable(self) -> bool:
        """It is a file system that the guest mounts."""
        return self.filesystem.startswith(_EXT)


def read_report(lines: Iterable[str]) -> GuestReport:
    """Sort the guest's lines; a line of no known kind is ignored."""
    steps: dict[str, dict[str, str]] = {}
    outputs: list[str] = []
    errors: list[str] = []
    end = None
    for line in lines:
        kind, _, rest = line.strip().partition(" ")
        if kind == "step":
            name, _, pairs = rest.partition(" ")
            steps[name] = _pairs(pairs)
        elif kind == "out":
            outputs.append(rest)
        elif kind == "error":
            errors.append(rest)
        elif kind == "end":
            end = _pairs(rest)
    return GuestReport(steps, tuple(outputs), tuple(errors), end)


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in text.split())}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the guest must have seen; `digest` decides where there is no file system to mount."""

    size_bytes: int
    digest: str
    ledger: ExpectedLedger | None = None


def defects(report: GuestReport, expected: Expectation) -> list[str]:
    """Return what the guest's lines have against the disk, in sentences without a full stop."""
    found = list(_of_device(report, expected))
    if report.is_mountable:
        found += _of_filesystem(report)
        found += _of_ledger(report, expected.ledger)
    else:
        found += _of_content(report, expected)
    if not found and report.end is not None and report.end.get("verdict") == "bad":
        found.append(f"the guest calls it bad: {report.end.get('reason')}")
    return found


def _of_device(report: GuestReport, expected: Expectation) -> Iterator[str]:
    size = report.number("device", "size")
    if size != expected.size_bytes:
        yield f"the guest sees a disk of {size} bytes, it has {expected.size_bytes}"


def _of_filesystem(report: GuestReport) -> Iterator[str]:
    for step in ("mount", "unmount"):
        if report.text(step, "result") != "ok":
            if step == "mount" or report.text("mount", "result") == "ok":
                errno = report.text(step, "errno", "unknown")
                yield f"{step} of {report.filesystem} failed with errno {errno}"
        elif report.number(step, "errors", 0) > 0:
            yield f"the file system records {report.text(step, 'errors')} errors at {step}"
    status = report.number("e2fsck", "exit")
    if status != 0:
        words = next((o.partition(" ")[2] for o in report.outputs if o.startswith("e2fsck")), "")
        yield f"e2fsck -fn after the mount exits {status}: {words}".rstrip(": ")


def _of_ledger(report: GuestReport, expected: ExpectedLedger | None) -> Iterator[str]:
    entries = report.number("ledger", "entries", 0)
    if report.text("ledger", "present") == "1" and report.text("ledger", "ok") != "1":
        reason = report.text("ledger", "reason")
        yield f"the ledger's chain breaks after entry {entries} ({reason})"
    if expected is None:
        return
    if entries < expected.index:
        yield f"entry {expected.index} was acknowledged, the ledger ends with {entries}"
    elif not expected.is_in_chain_to(entries, report.text("ledger", "last")):
        yield f"the ledger is not the one whose entry {expected.index} was acknowledged"


def _of_content(report: GuestReport, expected: Expectation) -> Iterator[str]:
    if expected.ledger is not None:
        yield f"a ledger was expected, the guest finds no file system ({report.filesystem})"
    if report.text("read", "digest") != expected.digest:
        yield "the guest reads other content than is stored"


def summary(report: GuestReport) -> str:
    """Return what a good guest did, in one sentence."""
    seconds = sum(report.number(step, "ms", 0) for step in report.steps) / 1000
    if not report.is_mountable:
        size = report.text("device", "size")
        return (
            f"the guest reads all {size} bytes, same digest, in {seconds:.2f} s; no file system "
            f"that it mounts ({report.filesystem}): mounting is not applicable"
        )
    ledger = "no ledger"
    if report.text("ledger", "present") == "1":
        ledger = f"ledger of {report.text('ledger', 'entries')} entries whole"
    return (
        f"the guest mounts {report.filesystem} read-write, {ledger}, unmounts, e2fsck -fn exits 0, "
        f"in {seconds:.2f} s"
    )
