"""Names what is wrong with an image: whose promise it breaks, and how to say so."""

from collections.abc import Collection, Sequence
from typing import Final

from harness.checkers.breach import Breach
from harness.checkers.history import SIZE, Entry, History
from harness.checkers.image_judge import ImageJudge, judge_afresh

__all__ = ["find_breach", "show"]

LOSS_CLAIMS: Final = {"sync": "no-acked-loss", "sync-on-flush": "no-acked-loss", "async": "rpo"}


def find_breach(
    history: History,
    image: dict[int, object],
    size_bytes: int,
    owed: Sequence[Entry],
    mode: str,
    where: str,
    excused: Collection[int] = (),
) -> tuple[ImageJudge, Breach | None]:
    """Judge an image from nothing: by order alone first, then with what must not be lost.

    Gives the judge of the second, to be kept up from there.
    """
    judge = judge_afresh(history, image, size_bytes, owed, excused)
    if judge.wrong is None:
        return judge, None
    plain = judge_afresh(history, image, size_bytes, (), excused)
    if plain.wrong is not None:
        return judge, _order_breach(plain, where)
    return judge, _loss_breach(judge, mode, where)


def show(page: int, value: object | None) -> str:
    """A value in words."""
    if page == SIZE:
        return f"{value} bytes"
    return "zeros" if value is None else f"value {value}"


def _order_breach(judge: ImageJudge, where: str) -> Breach:
    page = judge.wrong
    assert page is not None
    value = judge.shows(page)
    found = show(page, value)
    if page != SIZE and value is not None and judge.history.highest(page, value) < 0:
        text = f"{where}: page {page} shows {found}, which nothing ever wrote there"
        return Breach("crash-consistent", "invented", where, page, "a written value", found, text)
    demanded = judge.history.entry_at(judge.floor.get(page, 0))
    expected = f"{demanded} or newer" if demanded else "what it held before the run"
    cut = page == SIZE or (demanded is not None and demanded.kind == "resize")
    claim = "resize-faithful" if cut else "crash-consistent"
    cause = "wrong-size" if page == SIZE else "cut-off-data-is-back" if cut else "stale"
    place = "the size" if page == SIZE else f"page {page}"
    latest = judge.history.entry_at(judge.latest)
    text = (
        f"{where}: {place} shows {found}, older than {expected}, which was settled before"
        f" {latest or 'the run'} began, and the image shows that"
    )
    return Breach(claim, cause, where, page, expected, found, text)


def _loss_breach(judge: ImageJudge, mode: str, where: str) -> Breach:
    page = judge.wrong
    assert page is not None
    demanded = judge.history.entry_at(judge.floor.get(page, 0))
    expected = f"{demanded} or newer"
    found = show(page, judge.shows(page))
    resize = demanded is not None and demanded.kind == "resize"
    claim = "resize-faithful" if resize else LOSS_CLAIMS[mode]
    cause = "acknowledged-resize-lost" if resize else "acknowledged-write-lost"
    place = "the size" if resize else f"page {page}"
    text = f"{where}: {place} shows {found}; acknowledged and promised was {expected}"
    return Breach(claim, cause, where, page, expected, found, text)
