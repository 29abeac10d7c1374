"""The volume's properties as the blob tells them: read by the lab itself, at several moments.

The metadata are read with Azure's SDK and the footer with our own parser; neither shares a line
with the system under test.
"""

from dataclasses import dataclass, field

from harness.disk.footer import Footer, geometry_of
from harness.disk.source import open_disk
from harness.disk.validator import validate
from harness.judge.facts import PropertiesOutcome, PropertyCheck
from harness.lab.designated import disk_bytes
from harness.lab.stage import VOLUME_NAME, Stage, label_of

__all__ = ["PropertyReader"]


@dataclass(slots=True)
class PropertyReader:
    """Collects checks; the first reading tells the volume's unique id, which must never change."""

    stage: Stage
    checks: list[PropertyCheck] = field(default_factory=list)
    _unique_id: str = ""
    _first_bytes: int = 0

    def read(self, moment: str) -> None:
        """Read everything now, while no resize is on its way."""
        stage = self.stage
        size = stage.sizes.volume
        target = stage.disk.now()
        wording, footer = target.wording, _footer(target.url)
        self._unique_id = self._unique_id or wording.unique_id
        self._first_bytes = self._first_bytes or size
        expected = {
            "name in the metadata": (VOLUME_NAME, wording.name),
            "label in the metadata": (label_of(stage.plan), wording.label),
            "unique id in the metadata": (self._unique_id, wording.unique_id),
            "size in the metadata": (str(size), str(wording.volume_bytes)),
        }
        if footer is None:
            expected["footer"] = ("a VHD footer", "none")
        else:
            disk = disk_bytes(size)
            expected |= {
                "unique id in the footer": (self._unique_id, footer.unique_id.hex),
                "original size in the footer": (str(disk), str(footer.original_size)),
                "current size in the footer": (str(disk), str(footer.current_size)),
                "geometry in the footer": (str(geometry_of(disk)), str(footer.geometry)),
            }
        self.checks += [
            PropertyCheck(
                what=what,
                moment=moment,
                expected=wanted,
                found=found,
                changed="size" in what and size != self._first_bytes,
            )
            for what, (wanted, found) in expected.items()
        ]

    def outcome(self) -> PropertiesOutcome:
        """All checks, kept as evidence."""
        rel = self.stage.keep_json("properties.json", self.checks)
        return PropertiesOutcome(checks=self.checks, evidence=rel)


def _footer(url: str) -> Footer | None:
    disk = open_disk(url)
    try:
        return validate(disk).footer
    finally:
        disk.close()
