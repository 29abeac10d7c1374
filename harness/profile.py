"""Certification profiles: which claims are demanded, and with which bounds (strict TOML).

A profile is `scenarios/profiles/NAME.toml` (or any file given by its path):

    title = "..."
    [demand.rpo]
    rpo_seconds = 5
    trials = 3
    [swarm]
    disasters = 4000

Unknown keys, unknown claims and bounds that are not positive are errors that name the file and the
key: a misspelt bound must not be a bound that nobody checks.
"""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from harness.claims import CLAIMS
from harness.errors import UsageError
from harness.judge.facts import Order

__all__ = [
    "BOUNDS",
    "BootsBounds",
    "Bounds",
    "ConsumableBounds",
    "CrashConsistentBounds",
    "DirectWriteBounds",
    "ExplorePlan",
    "FencedBounds",
    "MaterialisePlan",
    "MetadataFaithfulBounds",
    "MutantsPlan",
    "NoAckedLossBounds",
    "PointsHonestBounds",
    "Profile",
    "ResizeFaithfulBounds",
    "RpoBounds",
    "RtoBounds",
    "SimulationBounds",
    "SwarmPlan",
    "load_profile",
    "profile_names",
]

PROFILES: Final = Path(__file__).resolve().parents[1] / "scenarios" / "profiles"

Count = Annotated[int, msgspec.Meta(ge=1)]
Some = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Modes = Annotated[list[Literal["sync", "sync-on-flush"]], msgspec.Meta(min_length=1)]
Orders = Annotated[list[Order], msgspec.Meta(min_length=1)]


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a profile demands of one claim; `trials` is the least number of counted disasters."""

    trials: Count = 1


class ConsumableBounds(Bounds, frozen=True, kw_only=True):
    """At least `samples` looks under load, and every kill."""

    samples: Count = 50


class CrashConsistentBounds(Bounds, frozen=True, kw_only=True):
    """`trials` raw workloads in each of `orders`.

    `crashes`: raw workloads whose replicator crashed, besides.
    """

    orders: Orders = msgspec.field(default_factory=lambda: ["strict", "flush"])
    crashes: Some = 0


class NoAckedLossBounds(Bounds, frozen=True, kw_only=True):
    """`trials` kills in each of `modes`, each after `acknowledged` entries at least.

    `crashes`: kills after a crash of the replicator alone, besides.
    """

    modes: Modes = msgspec.field(default_factory=lambda: ["sync", "sync-on-flush"])
    acknowledged: Count = 100
    crashes: Some = 0


class RpoBounds(Bounds, frozen=True, kw_only=True):
    """Oldest loss at most `rpo_seconds` old; `rpo_bytes`, where given, bounds its amount."""

    rpo_seconds: Positive
    rpo_bytes: Count | None = None
    acknowledged: Count = 100


class RtoBounds(Bounds, frozen=True, kw_only=True):
    """Failure to mount in at most `rto_seconds`."""

    rto_seconds: Positive


class DirectWriteBounds(Bounds, frozen=True, kw_only=True):
    """At most `mib_per_gib` MiB written elsewhere for each GiB replicated.

    `replicated_mib` is the least amount replicated over all trials that is worth a verdict.
    """

    mib_per_gib: Positive = 1.0
    replicated_mib: Positive = 64.0


class FencedBounds(Bounds, frozen=True, kw_only=True):
    """`trials` primaries stopped in mid-write, replaced and woken."""


class BootsBounds(Bounds, frozen=True, kw_only=True):
    """`trials` recovery guests straight from the blob."""


class ResizeFaithfulBounds(Bounds, frozen=True, kw_only=True):
    """`trials` volumes that grow and shrink; `cuts` sites that die in the midst of a resize."""

    cuts: Some = 1


class MetadataFaithfulBounds(Bounds, frozen=True, kw_only=True):
    """`trials` volumes whose properties are read back from the blob."""


class PointsHonestBounds(Bounds, frozen=True, kw_only=True):
    """`points` recovery points opened in `trials`, `mounted` of them in a VM."""

    points: Count = 2
    mounted: Some = 1


class SimulationBounds(Bounds, frozen=True, kw_only=True):
    """No finding in a swarm of `disasters` simulated ones that exercised the claim."""

    disasters: Count = 4000


BOUNDS: Final[Mapping[str, type[Bounds]]] = {
    "consumable": ConsumableBounds,
    "crash-consistent": CrashConsistentBounds,
    "no-acked-loss": NoAckedLossBounds,
    "rpo": RpoBounds,
    "rto": RtoBounds,
    "direct-write": DirectWriteBounds,
    "fenced": FencedBounds,
    "boots": BootsBounds,
    "resize-faithful": ResizeFaithfulBounds,
    "metadata-faithful": MetadataFaithfulBounds,
    "points-honest": PointsHonestBounds,
    "corruption-detected": SimulationBounds,
    "ordered-once": SimulationBounds,
    "live": SimulationBounds,
    "status-honest": SimulationBounds,
}
"""The claims that this version can judge, with the shape of their bounds."""

_B = TypeVar("_B", bound=Bounds)


class SwarmPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many drawn disasters in simulation, every claim checked."""

    disasters: Count


class ExplorePlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every crash at every store request of the workloads; all `pairs` of the small one."""

    pairs: bool = False


class MaterialisePlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Real disks of so many disasters of the swarm, proved and booted."""

    boots: Count


class MutantsPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kill matrix is run anew, each planted bug with so many seeds."""

    seeds: Count


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The demanded claims with their bounds, in the catalogue's order; what is simulated besides.

    A part of the simulation that is None is not run.
    """

    name: str
    title: str
    demands: dict[str, Bounds]
    swarm: SwarmPlan | None = None
    explore: ExplorePlan | None = None
    materialise: MaterialisePlan | None = None
    mutants: MutantsPlan | None = None

    @property
    def simulates(self) -> bool:
        """Something is simulated at all."""
        return any((self.swarm, self.explore, self.materialise, self.mutants))

    def bounds(self, claim: str, shape: type[_B]) -> _B | None:
        """Give the bounds of a claim, or None if it is not demanded."""
        found = self.demands.get(claim)
        return found if isinstance(found, shape) else None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    demand: dict[str, dict[str, Any]]
    swarm: SwarmPlan | None = None
    explore: ExplorePlan | None = None
    materialise: MaterialisePlan | None = None
    mutants: MutantsPlan | None = None


def profile_names() -> list[str]:
    """List the profiles that come with the project."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def load_profile(name: str) -> Profile:
    """Read a profile by its name or by the path of its file; UsageError says what is wrong."""
    path = Path(name) if name.endswith(".toml") or "/" in name else PROFILES / f"{name}.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(_no_such_profile(name, path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"profile {path.name} is not valid TOML: {error}") from error
    try:
        content = msgspec.convert(tables, _File)
    except msgspec.ValidationError as error:
        keys = ", ".join(_File.__struct_fields__)
        raise UsageError(f"profile {path.name}: {error}; keys are {keys}") from error
    if not content.demand:
        raise UsageError(f"profile {path.name} demands nothing; add a table [demand.CLAIM]")
    demands = {claim: _read_bounds(path, claim, keys) for claim, keys in content.demand.items()}
    ordered = {claim: demands[claim] for claim in CLAIMS if claim in demands}
    if content.materialise is not None and content.swarm is None:
        raise UsageError(f"profile {path.name}: [materialise] needs the disasters of a [swarm]")
    return Profile(
        name=path.stem,
        title=content.title,
        demands=ordered,
        swarm=content.swarm,
        explore=content.explore,
        materialise=content.materialise,
        mutants=content.mutants,
    )


def _no_such_profile(name: str, path: Path) -> str:
    if path.parent != PROFILES:
        return f"there is no profile file {name}; give the path of a TOML file or one of: " + (
            ", ".join(profile_names())
        )
    nearest = get_close_matches(name, profile_names(), n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "known: " + ", ".join(profile_names())
    return f"there is no profile {name!r}; {hint}"


def _read_bounds(path: Path, claim: str, keys: dict[str, Any]) -> Bounds:
    shape = BOUNDS.get(claim)
    where = f"profile {path.name}, [demand.{claim}]"
    if shape is None:
        why = "this version cannot judge it yet" if claim in CLAIMS else "there is no such claim"
        nearest = get_close_matches(claim, BOUNDS, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else "known: " + ", ".join(BOUNDS)
        raise UsageError(f"{where}: {why}; {hint}")
    for key in keys:
        if key not in shape.__struct_fields__:
            allowed = ", ".join(sorted(shape.__struct_fields__))
            raise UsageError(f"{where}: unknown key {key!r}; allowed: {allowed}")
    for key, value in keys.items():
        if isinstance(value, float) and not isfinite(value):
            raise UsageError(f"{where}: {key} is {value}; a bound is a finite number")
    try:
        return msgspec.convert(keys, shape)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from error
