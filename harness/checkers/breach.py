"""Why an image is not admissible: what the shared judgement tells the checkers."""

from dataclasses import dataclass

__all__ = ["Breach"]


@dataclass(frozen=True, slots=True)
class Breach:
    """The first page (or the size, page -1) that shows what it may not show.

    claim: whose promise it breaks; cause: slug for de-duplication; where: which image was judged.
    """

    claim: str
    cause: str
    where: str
    page: int
    expected: str
    found: str
    text: str
