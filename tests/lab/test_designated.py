"""The disk that a consumer would be given: live blob or pinned snapshot, and its possible sizes."""

from collections.abc import Collection
from typing import cast

from harness.adapters.reference_engine import understand
from harness.lab.blob_view import BlobState, BlobView
from harness.lab.designated import DesignatedDisk, Sizes, disk_bytes

MIB = 1 << 20
GROWING = {"mp_intent": "grow:1:2", "mp_pin": "then", "mp_mark": "none"}


class Service:
    """A blob whose state changes with each question, as listed; the last one stays."""

    def __init__(self, *states: BlobState, snapshots: Collection[str] = ("then",)) -> None:
        self.states = list(states)
        self.kept = {snapshot: dict[str, str]() for snapshot in snapshots}

    def state(self, _blob: str) -> BlobState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def snapshots(self, _blob: str) -> dict[str, dict[str, str]]:
        return self.kept

    def read_url(self, blob: str, snapshot: str = "") -> str:
        return f"http://h/{blob}?{snapshot}"


def disk(service: Service) -> DesignatedDisk:
    return DesignatedDisk(cast(BlobView, service), "b", understand)


def state(metadata: dict[str, str], length: int = 1) -> BlobState:
    return BlobState(length, metadata, "etag")


def look_that(ok: bool | None, seen: list[tuple[str, set[int]]]) -> object:
    def look(url: str, sizes: Collection[int]) -> tuple[bool | None, str]:
        seen.append((url, set(sizes)))
        return ok, "" if ok else "no footer"

    return look


def test_a_disk_has_whole_mib() -> None:
    assert [disk_bytes(size) for size in (MIB, MIB + 512)] == [MIB, 2 * MIB]


def test_while_it_grows_the_pinned_snapshot_is_looked_at_with_any_size_it_had() -> None:
    sizes, seen = Sizes(MIB), list[tuple[str, set[int]]]()
    sizes.asked(3 * MIB)
    found = disk(Service(state(GROWING))).look(look_that(True, seen), sizes)  # type: ignore[arg-type]
    assert found == (True, "", "then")
    assert seen == [("http://h/b?then", {MIB, 3 * MIB})]


def test_a_bad_look_at_a_blob_that_changed_meanwhile_is_made_again() -> None:
    seen: list[tuple[str, set[int]]] = []
    changing = Service(state({}), state({}, length=2), state({}, length=2))
    found = disk(changing).look(look_that(False, seen), Sizes(MIB))  # type: ignore[arg-type]
    assert found == (False, "no footer", "")
    assert len(seen) == 2


def test_a_designated_snapshot_that_is_not_there_is_bad() -> None:
    gone = Service(state(GROWING), snapshots=())
    ok, reason, _snapshot = disk(gone).look(look_that(None, []), Sizes(MIB))  # type: ignore[arg-type]
    assert (ok, "does not exist" in reason) == (False, True)


def test_once_a_resize_is_done_only_the_new_size_is_right() -> None:
    sizes = Sizes(MIB)
    sizes.asked(3 * MIB - 512)
    assert sizes.possible == {MIB, 3 * MIB}
    sizes.done(3 * MIB - 512)
    assert sizes.volume == 3 * MIB - 512
    assert sizes.possible == {3 * MIB}
    assert sizes.had == {MIB, 3 * MIB}
