"""A replication system as the simulator takes it: machines that decide, without any I/O.

The engine's core is the reference. Any other that speaks the vocabulary of `engine.core.messages`
can be brought: `mountproof swarm --core MODULE:FACTORY`, where FACTORY() returns a `System`. See
docs/simulation.md for the interface, and tests/sim/minimal_core.py for a small one.
"""

import importlib
from dataclasses import dataclass
from typing import Protocol

from engine.core.messages import Command, Event
from engine.core.primary import PrimaryMachine
from engine.core.settings import StandbySettings, VolumeSettings
from engine.core.standby import StandbyMachine
from harness.errors import UsageError

__all__ = ["REFERENCE", "Machine", "Primary", "PrimarySays", "Reference", "Standby", "System",
           "load_system"]  # fmt: skip


class Machine(Protocol):
    """Decides for one node; a pure function of the events that it was given."""

    def handle(self, now_us: int, event: Event) -> list[Command]:
        """Take one event at a time of the node's monotonic clock; return what is to be done."""


class PrimarySays(Protocol):
    """What of a primary's status is judged."""

    @property
    def phase(self) -> str:
        """Where it is, in its own words."""

    @property
    def protected(self) -> bool:
        """Whether what is acknowledged now is protected as the mode promises."""

    @property
    def lag_us(self) -> int:
        """Age of the oldest write that is not known to be recoverable."""

    @property
    def lag_bytes(self) -> int:
        """Size of all writes that are not known to be recoverable."""


class Primary(Machine, Protocol):
    """The machine beside a volume."""

    def status(self, now_us: int) -> PrimarySays:
        """What it may honestly say of itself."""


class Standby(Machine, Protocol):
    """The machine at the secondary site."""

    @property
    def phase(self) -> str:
        """Where it is, in its own words; "refused" is final until a heartbeat is heard."""

    @property
    def reason(self) -> str:
        """Why it is there."""


class System(Protocol):
    """Makes the machines of one run; called again for every start of a process."""

    def primary(self, settings: VolumeSettings) -> Primary:
        """A fresh machine; it is given `Started` first."""

    def standby(self, settings: StandbySettings) -> Standby:
        """A fresh machine; it is given `Started` first."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The engine's core."""

    def primary(self, settings: VolumeSettings) -> Primary:
        """The machine that the engine's primary process runs."""
        return PrimaryMachine(settings)

    def standby(self, settings: StandbySettings) -> Standby:
        """The machine that the engine's standby process runs."""
        return StandbyMachine(settings)


REFERENCE: System = Reference()


def load_system(text: str) -> System:
    """Import FACTORY of `MODULE:FACTORY` and call it. Raises UsageError with the reason."""
    module_name, colon, name = text.partition(":")
    if not (colon and module_name and name.isidentifier()):
        raise UsageError(f"--core {text!r}: is not MODULE:FACTORY")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(
            f"--core {text!r}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise UsageError(f"--core {text!r}: {module_name} has no callable {name}")
    try:
        system = factory()
    except Exception as error:
        raise UsageError(
            f"--core {text!r}: {name}() failed: {type(error).__name__}: {error}"
        ) from error
    for method in ("primary", "standby"):
        if not callable(getattr(system, method, None)):
            raise UsageError(
                f"--core {text!r}: what {name}() returned has no method {method}(settings)"
            )
    loaded: System = system
    return loaded
