"""What a strict reading has to say about a disk: findings, each for the consumers it matters to."""

from dataclasses import dataclass
from enum import StrEnum


class Consumer(StrEnum):
    """Who is to use the disk."""

    AZURE = "azure"
    QEMU = "qemu"


ALL_CONSUMERS = frozenset(Consumer)


class Severity(StrEnum):
    """`bad` makes the disk bad for the finding's consumers; the others never do."""

    BAD = "bad"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about the disk.

    `code` is a stable short name, `sentence` says what is the matter and what it means.
    """

    code: str
    severity: Severity
    consumers: frozenset[Consumer]
    sentence: str

    def condemns(self, consumers: frozenset[Consumer]) -> bool:
        """Tell whether this makes the disk bad for one of `consumers`."""
        return self.severity is Severity.BAD and bool(self.consumers & consumers)

    def line(self) -> str:
        """As one line of text, for evidence and terminals."""
        return f"{self.severity} [{','.join(sorted(self.consumers))}] {self.code}: {self.sentence}"


def bad(code: str, sentence: str, *consumers: Consumer) -> Finding:
    """State a defect; for every consumer unless some are named."""
    return Finding(code, Severity.BAD, frozenset(consumers) or ALL_CONSUMERS, sentence)


def warning(code: str, sentence: str, *consumers: Consumer) -> Finding:
    """State what is legal but worth knowing; for every consumer unless some are named."""
    return Finding(code, Severity.WARNING, frozenset(consumers) or ALL_CONSUMERS, sentence)
