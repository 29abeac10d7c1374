"""What a checker reports: one broken promise, at one moment, with what was expected and found."""

from dataclasses import dataclass

__all__ = ["CHECKER_ERROR", "Finding"]

CHECKER_ERROR = "checker-error"
"""Claim of a finding that says: a checker of ours broke down, so its claim was not judged."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation.

    claim: id in the catalogue, or CHECKER_ERROR; cause: a short stable slug without numbers, so
    that findings of the same cause are one; page: the page that is wrong, -1 if none is.
    """

    claim: str
    cause: str
    at_us: int
    text: str
    page: int = -1
    expected: str = ""
    found: str = ""
