"""All checkers of one run behind one observer: what a runner has to call.

The panel brings the shared scene up to date first, then calls each checker that overrides the
hook. A checker that breaks down is taken off the panel and reported as CHECKER_ERROR: its claim is
then not exercised, so that nobody takes it for kept. If the scene breaks down, that holds for all.

Every hook here looks alike and is written out all the same: called by name, hooks are compiled
calls; through a list of bound methods they would be the slowest part of a run.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from harness.checkers.checker import Checker
from harness.checkers.finding import CHECKER_ERROR, Finding
from harness.checkers.observation import Mounted, Observer, Operation, RunSetup, StatusSample
from harness.checkers.scene import Scene
from harness.sim.blob_requests import Answer, PageWrite, Request, SetProperties
from harness.sim.page_blob import PageBlob

__all__ = ["Panel"]

HOOKS: Final = (
    "started", "completed", "requested", "written", "changed", "elsewhere", "damaged",
    "power_lost", "status", "stored", "mounted", "ended", "judged",
)  # fmt: skip


_OVERRIDDEN: dict[type, tuple[str, ...]] = {}


def _overridden(kind: type) -> tuple[str, ...]:
    """What a kind of checker wants to be shown."""
    known = _OVERRIDDEN.get(kind)
    if known is None:
        known = tuple(name for name in HOOKS if getattr(kind, name) is not getattr(Checker, name))
        _OVERRIDDEN[kind] = known
    return known


class Panel(Observer):
    """Checkers of one run; not to be used for a second one."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        self.scene = Scene()
        self.checkers = list(checkers)
        self.errors: list[Finding] = []
        self._off: dict[str, str] = {}
        self._blind = False
        self._asked: Checker | None = None
        """Who is looking now; None: the scene."""
        hooks: dict[str, list[Checker]] = {name: [] for name in HOOKS}
        for checker in self.checkers:
            checker.scene = self.scene
            for name in _overridden(type(checker)):
                hooks[name].append(checker)
        self._hooks = hooks
        self._started = hooks["started"]
        self._completed = hooks["completed"]
        self._requested = hooks["requested"]
        self._written = hooks["written"]
        self._changed = hooks["changed"]
        self._elsewhere = hooks["elsewhere"]
        self._damaged = hooks["damaged"]
        self._power_lost = hooks["power_lost"]
        self._status = hooks["status"]
        self._stored = hooks["stored"]
        self._mounted = hooks["mounted"]
        self._ended = hooks["ended"]
        self._judged = hooks["judged"]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found so far, in the order of the moments when it was found."""
        found: list[Finding] = []
        for checker in self.checkers:
            found += checker.findings
        found += self.errors
        return tuple(sorted(found, key=lambda finding: finding.at_us)) if found else ()

    @property
    def exercised(self) -> dict[str, int]:
        """Claim to the number of checks that could have failed; 0 where the checker broke down."""
        return {
            checker.claim: 0 if checker.claim in self._off else checker.exercised
            for checker in self.checkers
        }

    def started(self, setup: RunSetup) -> None:
        """Before anything else."""
        if self._blind:
            return
        try:
            self.scene.started(setup)
            for checker in self._started:
                self._asked = checker
                checker.started(setup)
            self._judge(0)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(0, error)

    def invoked(self, now_us: int, operation: Operation) -> None:
        """A client or operator asks."""
        if self._blind:
            return
        try:
            self.scene.invoked(now_us, operation)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def completed(self, now_us: int, operation: Operation) -> None:
        """It was answered."""
        if self._blind:
            return
        try:
            self.scene.completed(now_us, operation)
            if operation.kind in ("resize", "point"):
                for checker in self._requested:
                    self._asked = checker
                    checker.requested(now_us, operation)
            else:
                for checker in self._completed:
                    self._asked = checker
                    checker.completed(now_us, operation)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def applied(
        self, now_us: int, node: str, request: Request, _answer: Answer, blob: PageBlob
    ) -> None:
        """The store applied a request that changed the blob or its snapshots."""
        if self._blind or (isinstance(request, SetProperties) and request.length is None):
            return
        scene = self.scene
        try:
            if scene.blob is not None and blob is not scene.blob:
                for checker in self._elsewhere:
                    self._asked = checker
                    checker.elsewhere(now_us, node, request, blob)
            elif isinstance(request, PageWrite):
                scene.written(now_us, node, request, blob)
                for checker in self._written:
                    self._asked = checker
                    checker.written(now_us, node, request, blob)
            else:
                scene.changed(now_us, node, request, blob)
                for checker in self._changed:
                    self._asked = checker
                    checker.changed(now_us, node, request, blob)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def damaged(self, now_us: int, where: str, request: Request | None, page: int) -> None:
        """Bytes were damaged."""
        if self._blind:
            return
        try:
            self.scene.damaged(now_us, where, request, page)
            for checker in self._damaged:
                self._asked = checker
                checker.damaged(now_us, where, request, page)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def local(self, now_us: int, operation: Operation) -> None:
        """An operation took effect in the primary's volume."""
        if self._blind:
            return
        try:
            self.scene.local(now_us, operation)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def power_lost(self, now_us: int, pages: Mapping[int, object | None]) -> None:
        """The primary's volume lost its cache."""
        if self._blind:
            return
        try:
            self.scene.power_lost(now_us, pages)
            for checker in self._power_lost:
                self._asked = checker
                checker.power_lost(now_us, pages)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def process(self, now_us: int, node: str, what: str) -> None:
        """A process was started, killed, paused, woken or stopped."""
        if self._blind:
            return
        try:
            self.scene.process(now_us, node, what)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def status(self, now_us: int, sample: StatusSample) -> None:
        """What a node says of itself."""
        if self._blind:
            return
        try:
            for checker in self._status:
                self._asked = checker
                checker.status(now_us, sample)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def stored(self, now_us: int, node: str, where: str, size_bytes: int) -> None:
        """Volume data was kept elsewhere."""
        if self._blind:
            return
        try:
            for checker in self._stored:
                self._asked = checker
                checker.stored(now_us, node, where, size_bytes)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """A standby handed the disk over."""
        if self._blind:
            return
        try:
            self.scene.mounted(now_us, mounted)
            for checker in self._mounted:
                self._asked = checker
                checker.mounted(now_us, mounted)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def ended(self, now_us: int, waiting_for: str, blob: PageBlob | None,
              volume: Mapping[int, object] | None) -> None:  # fmt: skip
        """The run is over."""
        if self._blind:
            return
        try:
            for checker in self._ended:
                self._asked = checker
                checker.ended(now_us, waiting_for, blob, volume)
            self._judge(now_us)
        except Exception as error:  # noqa: BLE001 - as said above
            self._broke_down(now_us, error)

    def _judge(self, now_us: int) -> None:
        """After each event: tell what is not admissible, if anything is."""
        self._asked = None
        if self.scene.breaches:
            for breach in self.scene.take_breaches():
                for checker in self._judged:
                    self._asked = checker
                    checker.judged(now_us, breach)
            self._asked = None

    def _broke_down(self, now_us: int, error: Exception) -> None:
        """Take the checker off the panel; all of them, if it was the scene."""
        checker, self._asked = self._asked, None
        self._blind = checker is None
        for gone in self.checkers if checker is None else [checker]:
            self._off.setdefault(gone.claim, type(error).__name__)
        for hooks in self._hooks.values():
            hooks[:] = [other for other in hooks if other.claim not in self._off]
        who = "the scene" if checker is None else checker.claim
        cause = f"{'scene' if checker is None else checker.claim}-{type(error).__name__}"
        text = f"{who} broke down, so nothing is known of it: {type(error).__name__}: {error}"
        self.errors.append(Finding(CHECKER_ERROR, cause, now_us, text))
