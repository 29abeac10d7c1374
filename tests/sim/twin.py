"""A model container and a real one that get the same requests, and must give the same answers.

ETags and snapshot ids are the service's own choice: they are matched one to one, so that an ETag
that changed, or did not, where the model's did not, or did, is a difference. The model's clock is
the real one at the moment of sending.
"""

import time

import msgspec

from harness.sim.blob_container import Container
from harness.sim.blob_requests import (
    PAGE_BYTES,
    AcquireLease,
    Answer,
    ListRanges,
    PageWrite,
    PutPages,
    ReadPages,
    ReadProperties,
    Request,
    TakeSnapshot,
)
from harness.sim.deviations import ACCEPTS, DEVIATIONS, Case, Deviation
from harness.sim.real_account import RealAccount

SNAPSHOT_GAP_SECONDS = 0.003
"""Two snapshots within one millisecond share an id in Azurite (facts.md, gotcha 7)."""
ZEROS = bytes(PAGE_BYTES)
BOGUS_ETAG = '"0x8D00000000000BAD"'
BOGUS_SNAPSHOT = "2020-01-01T00:00:00.0000000Z"


class Difference(AssertionError):
    """Model and service do not agree, and no deviation explains it."""


class Names:
    """Matches the model's names with the service's, one to one."""

    def __init__(self, kind: str, *same: str) -> None:
        self.kind = kind
        self._real = {name: name for name in ("", *same)}
        self._model = dict(self._real)
        self._alias: dict[str, str] = {}

    def real(self, model: str) -> str:
        return self._real[self._alias.get(model, model)]

    def alias(self, model: str, other: str) -> None:
        """The service has one name where the model has two."""
        self._alias[model] = other

    def match(self, model: str, real: str, request: Request) -> None:
        model = self._alias.get(model, model)
        known = self._real.setdefault(model, real)
        back = self._model.setdefault(real, model)
        if known != real or back != model:
            raise Difference(
                f"{self.kind} after {brief(request)}: the model's {model} was {known}, the service"
                f" says {real}, which was the model's {back}"
            )


class Twin:
    """Sends each request to both; `shown` are the deviations seen, `gone` those that were not."""

    def __init__(self, account: RealAccount, container: str) -> None:
        self.account = account
        self.container = container
        self.model = Container()
        self.etags = Names("ETag", "*", BOGUS_ETAG)
        self.snapshots = Names("snapshot", BOGUS_SNAPSHOT)
        self.shown: set[str] = set()
        self.gone: dict[str, str] = {}
        """Deviation to the answer in which it should have shown."""
        self.parted: set[str] = set()
        """Blobs that a deviation has made different: no longer comparable."""
        self.named: set[str] = set()
        """Blobs that ever got a request from here."""
        self.now_us = time.monotonic_ns() // 1000
        self.story: list[str] = []
        """Every request so far and what the model answered."""

    def send(self, request: Request) -> Answer:
        """Return the model's answer; Difference if the service's is another one."""
        assert request.blob not in self.parted, "the blob is no longer comparable"
        self.named.add(request.blob)
        now_us = self.now_us = time.monotonic_ns() // 1000
        case = self._case(now_us, request)
        refusals = self.model.refusals(now_us, request)
        answer = self.model.apply(now_us, request)
        self.story.append(f"{len(self.story) + 1:3} {brief(request)} -> {brief(answer)}")
        assert answer.refused == bool(refusals)
        assert not refusals or answer == refusals[0]
        actual = self.account.send(self.container, self._real_request(request))
        deviations = DEVIATIONS if self.account.is_azurite else ()
        if refusals:
            self._compare_refusal(case, refusals, actual, deviations)
        else:
            self._compare_success(case, answer, actual, deviations)
        return answer

    def check_listing(self) -> None:
        """List Blobs shows the same blobs, snapshots and metadata."""
        order: list[tuple[str, str]] = []
        listed = {}
        for row in self.account.list_blobs(self.container):
            if row.blob in self.named - self.parted:
                listed[row.blob, row.snapshot] = row
        for row in self.model.list_blobs():
            if row.blob in self.parted:
                continue
            key = row.blob, self.snapshots.real(row.snapshot)
            order.append(key)
            real = msgspec.structs.replace(row, snapshot=key[1], etag=self.etags.real(row.etag))
            got = listed.get(key)
            if got is None or msgspec.structs.replace(got, etag=real.etag) != real:
                raise Difference(f"the listing has {got}, the model {real}")
            if got.etag.strip('"') != real.etag.strip('"') and not row.snapshot:
                raise Difference(f"the listing has {got}, the model {real}")
        if len(order) != len(listed):
            raise Difference(f"the listing has {sorted(listed)}, the model {order}")

    def check_blob(self, name: str) -> None:
        """Properties, bytes and ranges of the blob and of all its snapshots are the same."""
        blob = self.model.blobs.get(name)
        if name in self.parted:
            return
        if blob is None:
            self.send(ReadProperties(blob=name))
            return
        for row in blob.listed():
            self.send(ReadProperties(blob=name, snapshot=row.snapshot))
            if row.length:
                whole = min(row.length, 4 << 20)
                self.send(ReadPages(blob=name, snapshot=row.snapshot, offset=0, length=whole))
                self.send(ListRanges(blob=name, snapshot=row.snapshot))

    # ── one request ───────────────────────────────────────────────────────────────────────────

    def _case(self, now_us: int, request: Request) -> Case:
        blob = self.model.blobs.get(request.blob)
        if blob is None:
            return Case(request, exists=False)
        row = blob.addressed(request.snapshot) or blob
        every = None
        if isinstance(request, ListRanges) and request.previous:
            plain = msgspec.structs.replace(request, previous="")
            every = blob.apply(now_us, plain)
        state, duration = blob.lease.state(now_us), blob.lease.duration(now_us)
        return Case(request, True, row.length, row.etag, state, duration, every)

    def _real_request(self, request: Request) -> Request:
        if isinstance(request, TakeSnapshot):
            time.sleep(SNAPSHOT_GAP_SECONDS)
        changes = {"snapshot": self.snapshots.real(request.snapshot)}
        if isinstance(request, ListRanges):
            changes["previous"] = self.snapshots.real(request.previous)
        if request.if_match is not None:
            changes["if_match"] = self.etags.real(request.if_match)
        if request.if_none_match is not None:
            changes["if_none_match"] = self.etags.real(request.if_none_match)
        return msgspec.structs.replace(request, **changes)

    def _compare_refusal(
        self,
        case: Case,
        refusals: list[Answer],
        actual: Answer,
        deviations: tuple[Deviation, ...],
    ) -> None:
        """The service may name any reason there is; a deviation takes its reason's place."""
        instead = [_instead(case, refusal, deviations) for refusal in refusals]
        accepted = all(found and found[1] is ACCEPTS for found in instead)
        for refusal, found in zip(refusals, instead, strict=True):
            if found is None and _same_refusal(refusal, actual):
                return
            if found and found[1] is not ACCEPTS and _same_refusal(found[1], actual):
                self._show(case, found[0])
                return
        if accepted and not actual.refused:
            for found in instead:
                assert found is not None
                self._show(case, found[0])
            return
        for refusal, found in zip(refusals, instead, strict=True):
            if found and _same_refusal(refusal, actual):
                self.gone[found[0].name] = f"{brief(case.request)}: {_brief(refusals)}, {actual}"
                return
        raise Difference(
            f"{brief(case.request)}: documented is one of {_brief(refusals)}, the service answers"
            f" {_brief([actual])}"
        )

    def _compare_success(
        self, case: Case, answer: Answer, actual: Answer, deviations: tuple[Deviation, ...]
    ) -> None:
        found = _instead(case, answer, deviations)
        if found is None:
            self._compare(case, answer, actual)
            return
        deviation, expected = found
        if deviation.parts:
            self._compare_parted(case, deviation, answer, actual)
            return
        try:
            self._compare(case, expected, actual)
        except Difference:
            self._compare(case, answer, actual)
            self.gone[deviation.name] = f"{brief(case.request)}: {actual}"
            return
        self._show(case, deviation)
        if expected.etag and expected.etag != answer.etag:
            self.etags.alias(answer.etag, expected.etag)
        if answer.snapshot:
            self.snapshots.match(answer.snapshot, actual.snapshot, case.request)

    def _compare_parted(
        self, case: Case, deviation: Deviation, answer: Answer, actual: Answer
    ) -> None:
        """The request succeeded, and did something else: its trace is the sequence number."""
        if actual.status != answer.status:
            raise Difference(f"{brief(case.request)}: {answer}, the service answers {actual}")
        head = self.account.send(self.container, ReadProperties(blob=case.request.blob))
        if head.number == self.model.blobs[case.request.blob].number:
            self.gone[deviation.name] = f"{brief(case.request)}: {actual}"
        else:
            self._show(case, deviation)

    def _compare(self, case: Case, answer: Answer, actual: Answer) -> None:
        """Every field of the two answers."""
        request = case.request
        if answer.refused:
            if not _same_refusal(answer, actual):
                raise Difference(f"{brief(request)}: {_brief([answer])}, {_brief([actual])}")
            return
        wrong = [
            f"{field}: {ours!r} is documented, {theirs!r} is the answer"
            for field in Answer.__struct_fields__
            if field not in ("etag", "snapshot", "pages", "lease_seconds")
            and (ours := getattr(answer, field)) != (theirs := getattr(actual, field))
            and not _silent(field, request, ours)
        ]
        if answer.lease_seconds is not None:
            seconds = actual.lease_seconds
            if seconds is None or abs(seconds - answer.lease_seconds) > 1:
                wrong.append(f"lease_seconds: {answer.lease_seconds}, {seconds}")
        if answer.pages is not None:
            assert isinstance(request, ReadPages)
            ours, theirs = as_bytes(answer.pages), as_bytes(actual.pages or ())
            cut = request.offset % PAGE_BYTES
            if ours[cut : cut + request.length] != theirs:
                wrong.append(f"bytes: {ours[:48]!r}..., {theirs[:48]!r}... of {len(theirs)}")
        if wrong:
            raise Difference(f"{brief(request)}: " + "; ".join(wrong))
        if answer.etag:
            self.etags.match(answer.etag, actual.etag, request)
        if answer.snapshot:
            self.snapshots.match(answer.snapshot, actual.snapshot, request)

    def _show(self, case: Case, deviation: Deviation) -> None:
        self.shown.add(deviation.name)
        if deviation.parts:
            self.parted.add(case.request.blob)


def as_bytes(pages: tuple[object, ...]) -> bytes:
    """Pages as one text; None is a page of zeros."""
    return b"".join(page if isinstance(page, bytes) else ZEROS for page in pages)


def _instead(
    case: Case, answer: Answer, deviations: tuple[Deviation, ...]
) -> tuple[Deviation, Answer] | None:
    for deviation in deviations:
        if other := deviation.instead(case, answer):
            return deviation, other
    return None


def _same_refusal(documented: Answer, actual: Answer) -> bool:
    return documented.status == actual.status and documented.code in ("", actual.code)


def _silent(field: str, request: Request, documented: object) -> bool:
    """Fields of which an answer of this kind need not tell."""
    if field == "number":  # documented for these only
        return not isinstance(request, PageWrite | ReadProperties | ReadPages) or (
            isinstance(request, PutPages) and documented is None
        )
    if field == "lease_id":
        return not isinstance(request, AcquireLease)
    if field in ("lease_state", "lease_status"):
        return isinstance(request, ReadProperties) and bool(request.snapshot)
    return False


def brief(item: Request | Answer) -> str:
    """What is not as usual in a request or an answer, in one line."""
    told = []
    for field in msgspec.structs.fields(item):
        value = getattr(item, field.name)
        if field.name == "pages" and value is not None:
            told.append(f"pages={[str(page)[:12] for page in value[:3]]}...")
        elif value != field.default:
            told.append(f"{field.name}={value}")
    return f"{type(item).__name__}({', '.join(told)})"


def _brief(answers: list[Answer]) -> list[str]:
    return [f"{answer.status} {answer.code}".strip() for answer in answers]
