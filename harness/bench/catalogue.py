"""All benches: how to run each, on which service by default, and the bounds that are promised."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Literal

from harness.bench.pairs import Measurements
from harness.bench.scene import Scene
from harness.parts import AzuriteVersion

__all__ = ["BENCHES", "Bench", "Bound"]


@dataclass(frozen=True, slots=True)
class Bound:
    """One promise about a ratio or a figure; it may depend on the blob service."""

    key: str
    limit: Literal["at most", "at least"]
    values: Mapping[AzuriteVersion, float]

    def value(self, azurite: AzuriteVersion) -> float:
        """The bound on this service."""
        return self.values[azurite]

    def holds(self, measured: float, azurite: AzuriteVersion) -> bool:
        """Whether the figure keeps the promise."""
        bound = self.value(azurite)
        return measured <= bound if self.limit == "at most" else measured >= bound


@dataclass(frozen=True, slots=True)
class Bench:
    """One bench; `azurite` is the default service: 3.35 where raw speed counts (facts.md 0).

    offline: it needs no blob service, and none is started.
    """

    name: str
    purpose: str
    azurite: AzuriteVersion
    bounds: tuple[Bound, ...] = field(default=())
    offline: bool = False

    def load(self) -> Callable[[Scene], Measurements]:
        """Import the bench's own module; the others are not needed."""
        run: Callable[[Scene], Measurements] = import_module(f"harness.bench.{self.name}").run
        return run


def _at_most(key: str, value: float, strict: float | None = None) -> Bound:
    return Bound(key, "at most", {"3.35": value, "3.37": value if strict is None else strict})


def _at_least(key: str, value: float) -> Bound:
    return Bound(key, "at least", {"3.35": value, "3.37": value})


_ALL: Final = (
    Bench(
        "seed",
        "from an existing volume to a consumable blob",
        "3.35",
        (_at_most("time_vs_convert_upload", 0.22, 0.75), _at_most("time_vs_ceiling", 1.10)),
    ),
    Bench(
        "put",
        "our puts against the SDK's",
        "3.35",
        (
            _at_least("rate_4k_vs_sdk", 1.7),
            _at_least("rate_4k_vs_sdk_4", 2.2),
            _at_least("rate_4m_vs_sdk", 0.85),
            _at_least("merged_vs_sdk_4k", 40),
        ),
    ),
    Bench(
        "tap",
        "the volume tap against qemu-nbd, and what an fsync costs",
        "3.35",
        (
            _at_least("tap_4k_vs_qemu_nbd", 0.6),
            _at_least("tap_1m_vs_qemu_nbd", 0.6),
            _at_least("fsync_vs_bare_put", 0.15),
        ),
    ),
    Bench(
        "rto",
        "from the declaration of failure to a verified disk",
        "3.37",
        (_at_most("vs_bare_boot", 1.15), _at_most("detection_excess_s", 0.5)),
    ),
    Bench(
        "sparse",
        "memory and time to seed a huge, nearly empty volume",
        "3.37",
        (_at_most("peak_rss_mib", 200),),
    ),
    Bench(
        "sim",
        "simulated disasters a second, every claim checked",
        "3.37",
        (
            _at_least("disasters_per_s", 500),
            _at_least("vs_empty_hypothesis", 3),
            _at_least("scaling_2_cores", 1.8),
            _at_least("steps_mean", 40),
            _at_least("store_requests_mean", 50),
        ),
        offline=True,
    ),
    Bench(
        "oracle",
        "judging a disk image of real size, by content and order",
        "3.37",
        (_at_least("image_gib_per_s", 2),),
        offline=True,
    ),
)

BENCHES: Final[Mapping[str, Bench]] = {bench.name: bench for bench in _ALL}
