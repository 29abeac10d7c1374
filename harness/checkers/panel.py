"""All checkers of one run behind one observer: what a runner has to call.

The panel brings the shared scene up to date first, then calls each checker that overrides the
hook. A checker that breaks down is taken off the panel and reported as CHECKER_ERROR: its claim is
then not exercised, so that nobody takes it for kept. If the scene breaks down, that holds for all.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.checkers.checker import Checker
from harness.checkers.finding import CHECKER_ERROR, Finding
from harness.checkers.observation import Mounted, Observer, Operation, RunSetup, StatusSample
from harness.checkers.scene import Scene
from harness.sim.blob_requests import Answer, PageWrite, Request, SetProperties
from harness.sim.page_blob import PageBlob

__all__ = ["Panel"]

Hook = Callable[..., None]


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
        hooks: dict[str, list[tuple[Checker, Hook]]] = {name: [] for name in HOOKS}
        for checker in self.checkers:
            checker.scene = self.scene
            for name in _overridden(type(checker)):
                hooks[name].append((checker, getattr(checker, name)))
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
        found = [finding for checker in self.checkers for finding in checker.findings]
        return tuple(sorted([*found, *self.errors], key=lambda finding: finding.at_us))

    @property
    def exercised(self) -> dict[str, int]:
        """Claim to the number of checks that could have failed; 0 where the checker broke down."""
        return {
            checker.claim: 0 if checker.claim in self._off else checker.exercised
            for checker in self.checkers
        }

    def started(self, setup: RunSetup) -> None:
        """Before anything else."""
        self._take(0, self.scene.started, self._started, (setup,))

    def invoked(self, now_us: int, operation: Operation) -> None:
        """A client or operator asks."""
        self._take(now_us, self.scene.invoked, (), (now_us, operation))

    def completed(self, now_us: int, operation: Operation) -> None:
        """It was answered."""
        often = operation.kind not in ("resize", "point")
        hooks = self._completed if often else self._requested
        self._take(now_us, self.scene.completed, hooks, (now_us, operation))

    def applied(
        self, now_us: int, node: str, request: Request, _answer: Answer, blob: PageBlob
    ) -> None:
        """The store applied a request that changed the blob or its snapshots."""
        if isinstance(request, SetProperties) and request.length is None:
            return
        scene = self.scene
        arguments = (now_us, node, request, blob)
        if scene.blob is not None and blob is not scene.blob:
            self._take(now_us, None, self._elsewhere, arguments)
        elif isinstance(request, PageWrite):
            self._take(now_us, scene.written, self._written, arguments)
        else:
            self._take(now_us, scene.changed, self._changed, arguments)

    def damaged(self, now_us: int, where: str, request: Request | None, page: int) -> None:
        """Bytes were damaged."""
        self._take(now_us, self.scene.damaged, self._damaged, (now_us, where, request, page))

    def local(self, now_us: int, operation: Operation) -> None:
        """An operation took effect in the primary's volume."""
        self._take(now_us, self.scene.local, (), (now_us, operation))

    def power_lost(self, now_us: int, pages: Mapping[int, object | None]) -> None:
        """The primary's volume lost its cache."""
        self._take(now_us, self.scene.power_lost, self._power_lost, (now_us, pages))

    def process(self, now_us: int, node: str, what: str) -> None:
        """A process was started, killed, paused, woken or stopped."""
        self._take(now_us, self.scene.process, (), (now_us, node, what))

    def status(self, now_us: int, sample: StatusSample) -> None:
        """What a node says of itself."""
        self._take(now_us, None, self._status, (now_us, sample))

    def stored(self, now_us: int, node: str, where: str, size_bytes: int) -> None:
        """Volume data was kept elsewhere."""
        self._take(now_us, None, self._stored, (now_us, node, where, size_bytes))

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """A standby handed the disk over."""
        self._take(now_us, self.scene.mounted, self._mounted, (now_us, mounted))

    def ended(self, now_us: int, waiting_for: str, blob: PageBlob | None,
              volume: Mapping[int, object] | None) -> None:  # fmt: skip
        """The run is over."""
        self._take(now_us, None, self._ended, (now_us, waiting_for, blob, volume))

    def _take(
        self,
        now_us: int,
        scene: Hook | None,
        hooks: Sequence[tuple[Checker, Hook]],
        arguments: tuple[Any, ...],
    ) -> None:
        """Show the event to the scene, then to the checkers."""
        if self._blind:
            return
        checker = None
        try:
            if scene is not None:
                scene(*arguments)
            for pair in hooks:
                checker = pair[0]
                pair[1](*arguments)
            checker = None
            if self.scene.breaches:
                for breach in self.scene.take_breaches():
                    for pair in self._judged:
                        checker = pair[0]
                        pair[1](now_us, breach)
        except Exception as error:  # noqa: BLE001 - a judge that broke down must not end the run
            self._broke_down(now_us, checker, error)

    def _broke_down(self, now_us: int, checker: Checker | None, error: Exception) -> None:
        """Take the checker off the panel; all of them, if it was the scene."""
        self._blind = checker is None
        for gone in self.checkers if checker is None else [checker]:
            self._off.setdefault(gone.claim, type(error).__name__)
        for hooks in (
            self._started, self._completed, self._requested, self._written, self._changed,
            self._elsewhere, self._damaged, self._power_lost, self._status, self._stored,
            self._mounted, self._ended, self._judged,
        ):  # fmt: skip
            hooks[:] = [pair for pair in hooks if pair[0].claim not in self._off]
        who = "the scene" if checker is None else checker.claim
        cause = f"{'scene' if checker is None else checker.claim}-{type(error).__name__}"
        text = f"{who} broke down, so nothing is known of it: {type(error).__name__}: {error}"
        self.errors.append(Finding(CHECKER_ERROR, cause, now_us, text))
