"""The words and numbers of the page: durations, sizes, names of facts, and the headline.

Nothing here decides a verdict; it only says one in plain English, with counts taken from the
evidence.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from harness.evidence import ClaimResult, RunRecord, Trial, Verdict

__all__ = [
    "clip",
    "disasters_counted",
    "fact",
    "headline",
    "instant",
    "joined",
    "plural",
    "seconds",
    "size",
    "took",
    "what_came_of_it",
    "what_was_done",
]

_SIZE_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_SECONDS_PER_MINUTE: Final = 60.0
_STEP: Final = 1024


def clip(text: str, most: int) -> str:
    """Shorten a text to at most so many characters, with an ellipsis."""
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"


def seconds(duration_s: float) -> str:
    """Write a duration in seconds as a reader would say it."""
    if abs(duration_s) < 1:
        return f"{duration_s * 1000:.0f} ms"
    if abs(duration_s) < _SECONDS_PER_MINUTE:
        return f"{duration_s:.2f} s"
    minutes, rest = divmod(round(duration_s), 60)
    return f"{minutes} min {rest} s"


def size(count_bytes: float) -> str:
    """Write a number of bytes with a binary unit."""
    for unit in _SIZE_UNITS:
        if abs(count_bytes) < _STEP or unit == _SIZE_UNITS[-1]:
            return f"{count_bytes:.4g} {unit}"
        count_bytes /= _STEP
    raise AssertionError("the last unit takes every number")


def plural(count: int, noun: str, several: str | None = None) -> str:
    """Count a noun: "1 kill", "3 kills"."""
    return f"{count} {noun if count == 1 else several or noun + 's'}"


def joined(words: Iterable[str]) -> str:
    """List words as English does: "a, b and c"."""
    *most, last = list(words) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def instant(text: str) -> str:
    """Write an ISO 8601 instant for people; what is no instant stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = "UTC" if at.utcoffset() is not None and not at.utcoffset() else at.strftime("%z")
    return f"{at.day} {at:%B %Y, %H:%M} {zone}".rstrip()


def took(record: RunRecord) -> str:
    """Say how long the run took; empty if the record lacks a sound beginning or end."""
    try:
        started = datetime.fromisoformat(record.started_at)
        finished = datetime.fromisoformat(record.finished_at)
        return seconds((finished - started).total_seconds())
    except (ValueError, TypeError):
        return ""


def fact(name: str, value: float | str | bool) -> tuple[str, str]:
    """Name and value of a fact for people, by the unit at the end of its name."""
    label = name.replace("_", " ").replace(".", " · ")
    if isinstance(value, bool):
        return label, "yes" if value else "no"
    if isinstance(value, str):
        return label, value or "none"
    if name.endswith(("_s", "_seconds")):
        return label.removesuffix(" s").removesuffix(" seconds"), seconds(value)
    if name.endswith("bytes"):
        return label.removesuffix(" bytes"), size(value)
    return label, f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def disasters_counted(trials: Iterable[Trial]) -> list[Trial]:
    """Trials in which something was broken and that count."""
    return [trial for trial in trials if trial.counted and trial.kind != "baseline"]


def headline(record: RunRecord) -> str:
    """Say the verdict in at most five words."""
    verdict = record.verdict
    if verdict is Verdict.VIOLATED:
        broken = len(_of(record, Verdict.VIOLATED))
        return "One promise was broken" if broken == 1 else f"{broken} promises were broken"
    if verdict is Verdict.INCONCLUSIVE:
        return "Not proven"
    return "Every promise held"


def what_was_done(record: RunRecord) -> str:
    """Say in a plain sentence what the subject went through."""
    disasters = disasters_counted(record.trials)
    if not disasters:
        return f"No disaster of this run of {record.subject.name} counts."
    kinds = Counter(trial.kind for trial in disasters)
    names = {
        "kill": ("kill of the primary site in mid-write", "kills of the primary site in mid-write"),
        "raw": ("kill under raw writes", "kills under raw writes"),
        "fence": (
            "primary that came back after failover",
            "primaries that came back after failover",
        ),
        "resize": ("kill after or amid resizes", "kills after or amid resizes"),
        "crash": (
            "crash of the replicator, then of its site",
            "crashes of the replicator, then of its site",
        ),
    }
    kinds_said = [plural(count, *names.get(kind, (kind, kind))) for kind, count in kinds.items()]
    proofs = [proof for trial in record.trials for proof in trial.proofs]
    readers = len({proof.prover for proof in proofs})
    read = f", and every recovered disk was examined by up to {plural(readers, 'prover')}"
    return (
        f"{record.subject.name} went through {plural(len(disasters), 'disaster')}:"
        f" {joined(kinds_said)}{read if proofs else ''}."
    )


def what_came_of_it(record: RunRecord) -> str:
    """Say in plain sentences what became of the demanded promises."""
    held = _of(record, Verdict.HELD)
    violated = _of(record, Verdict.VIOLATED)
    unclear = _of(record, Verdict.INCONCLUSIVE)
    demanded = len(held) + len(violated) + len(unclear)
    if not demanded:
        return "No promise was demanded and judged, so nothing is certified."
    if len(held) == demanded:
        every = "The one promise" if demanded == 1 else f"All {demanded} promises"
        return f"{every} that the profile “{record.profile}” demands held."
    sentences = []
    if violated:
        sentences.append(f"Broken: {joined(claim.id for claim in violated)}.")
    if unclear:
        sentences.append(f"Without a verdict: {joined(claim.id for claim in unclear)}.")
    sentences.append(f"{len(held)} of {plural(demanded, 'demanded promise')} held.")
    return " ".join(sentences)


def _of(record: RunRecord, verdict: Verdict) -> list[ClaimResult]:
    return [claim for claim in record.claims if claim.verdict is verdict]
