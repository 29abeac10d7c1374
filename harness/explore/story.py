"""A finding told as a story: numbered steps, what came of each, what each party believed, the page.

The story is made from a run of the schedule with a recording; nothing in it is guessed. Requests
are told where they were refused or went wrong, and counted elsewhere, so that it stays short.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.checkers.finding import Finding
from harness.claims import CLAIMS
from harness.explore.witness import Witness
from harness.explore.wording import say_setup, say_step, say_time, say_values
from harness.schedule import Schedule
from harness.sim.disaster import Outcome, run_disaster
from harness.sim.system import System

__all__ = ["Chapter", "Entry", "Tale", "count_rest", "tale_lines", "tell_tale", "told_of",
           "weightiest"]  # fmt: skip

TOLD_MAX = 8
"""So many happenings are told after one step; of the rest, their number."""
SAID_BY_STEPS = {"kill", "restart", "pause", "power-loss", "clock-jump", "stop", "failover",
                 "forced-failover"}  # fmt: skip
KNOWN = "← create the blob: refused: exists"
"""Every start of a primary begins so."""
WEIGHTY = {"mount", "process", "phase"}
NODES = ("primary", "standby", "standby-2")
BELIEFS = ("status", "note", "process")
TOLD = {"fault", "process", "mount", "phase", "note", "reply"}

Entry = tuple[int, str, str, str]
"""Time, kind, who, text."""


@dataclass(slots=True)
class Chapter:
    """A step, and everything that happened until the next one."""

    number: int
    at_us: int
    title: str
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Tale:
    """A whole run: chapters, the finding if there is one, and beliefs at that moment."""

    schedule: Schedule
    outcome: Outcome
    finding: Finding | None
    chapters: list[Chapter]
    beliefs: list[tuple[str, str]]

    @property
    def findings(self) -> Sequence[Finding]:
        """All findings of the run; the tale is about the first."""
        return self.outcome.findings


def tell_tale(schedule: Schedule, system: System, claim: str = "") -> Tale:
    """Run the schedule and order what happened by its steps; about a claim, or what came first."""
    witness = Witness()
    outcome = run_disaster(schedule, system, story=witness, observers=[witness])
    about = [one for one in outcome.findings if one.claim == claim] or outcome.findings
    finding = _in_words(about[0]) if about else None
    chapters = _chapters(schedule, witness.entries)
    return Tale(schedule, outcome, finding, chapters, _beliefs(witness.entries, finding))


def tale_lines(tale: Tale) -> list[str]:
    """The story as text."""
    lines = [f"A disaster ({say_setup(tale.schedule)}, seed {tale.schedule.seed})", ""]
    until = tale.finding.at_us if tale.finding else None
    for chapter in tale.chapters:
        if until is not None and chapter.at_us > until:
            break
        lines.append(f"{chapter.number:>3}. {say_time(chapter.at_us):>10}  {chapter.title}")
        lines += _happenings(chapter.entries, until)
    if tale.beliefs:
        lines += ["", "What each party believed then:"]
        lines += [f"  {who}: {text}" for who, text in tale.beliefs]
    return [*lines, "", *_finding_lines(tale)]


def _in_words(finding: Finding) -> Finding:
    return replace(
        finding, text=say_values(finding.text), expected=say_values(finding.expected),
        found=say_values(finding.found),
    )  # fmt: skip


def _chapters(schedule: Schedule, entries: Sequence[Entry]) -> list[Chapter]:
    """One chapter a step, and one before the first step for how it all began."""
    chapters = [Chapter(0, 0, "the primary seeds the blob, standbys watch")]
    chapters += [
        Chapter(number, step.at_us, say_step(step))
        for number, step in enumerate(schedule.steps, start=1)
    ]
    at = 0
    for entry in entries:
        if entry[1] == "step":
            at += 1
        else:
            chapters[at].entries.append(entry)
    return chapters


def _happenings(entries: Sequence[Entry], until: int | None) -> Iterator[str]:
    told = told_of(entries, until)
    for at_us, _kind, who, text in weightiest(told):
        yield f"{'':>5}{say_time(at_us):>10}  · {who}: {text}"
    rest = count_rest(entries, told)
    if rest:
        yield f"{'':>17}· {', '.join(rest)}"


def told_of(entries: Sequence[Entry], until: int | None) -> list[Entry]:
    """What is worth telling, up to a moment; once each; a step was told by its title."""
    told: dict[tuple[str, str, str], Entry] = {}
    for at_us, kind, who, text in entries:
        if kind not in TOLD or (kind == "fault" and text in SAID_BY_STEPS) or text == KNOWN:
            continue
        if until is not None and at_us > until:
            break
        told.setdefault((kind, who, text), (at_us, kind, who, text))
    return list(told.values())


def weightiest(told: Sequence[Entry]) -> list[Entry]:
    """As many as are told, in order; what a process or a mount did goes before notes."""
    ranked = sorted(range(len(told)), key=lambda at: (told[at][1] not in WEIGHTY, at))
    return [told[at] for at in sorted(ranked[:TOLD_MAX])]


def count_rest(entries: Sequence[Entry], told: Sequence[Entry]) -> list[str]:
    """What is not told one by one, counted."""
    requests = sum(entry[1] == "request" for entry in entries)
    rest = [f"{len(told) - TOLD_MAX} more happenings"] if len(told) > TOLD_MAX else []
    if requests:
        rest.append(
            "1 request to the store" if requests == 1 else f"{requests} requests to the store"
        )
    return rest


def _beliefs(entries: Sequence[Entry], finding: Finding | None) -> list[tuple[str, str]]:
    """The last thing each node said of itself before the finding."""
    said: dict[str, dict[str, str]] = {}
    for at_us, kind, who, text in entries:
        if finding is not None and at_us > finding.at_us:
            break
        if who in NODES and kind in BELIEFS:
            said.setdefault(who, {})[kind] = f"{text}, since {say_time(at_us)}"
    return [(who, _belief(words)) for who, words in sorted(said.items())]


def _belief(words: Mapping[str, str]) -> str:
    """What a living process says of itself, else what has become of it."""
    process = words.get("process", "started")
    if not process.startswith(("started", "woken")):
        return process
    return words.get("status") or words.get("note") or process


def _finding_lines(tale: Tale) -> list[str]:
    finding = tale.finding
    if finding is None:
        return ["No finding: every claim that was exercised held."]
    claim = CLAIMS.get(finding.claim)
    lines = [f"VIOLATED {finding.claim} ({finding.cause}), at {say_time(finding.at_us)}"]
    if claim is not None:
        lines.append(f"  promised: {claim.promise}")
    lines.append(f"  {finding.text}")
    if finding.page >= 0:
        lines.append(f"  page {finding.page}: expected {finding.expected}, found {finding.found}")
    elif finding.expected or finding.found:
        lines.append(f"  expected {finding.expected}, found {finding.found}")
    others = {f"{other.claim} ({other.cause})" for other in tale.findings}
    others.discard(f"{finding.claim} ({finding.cause})")
    return lines + ([f"  also: {', '.join(sorted(others))}"] if others else [])
