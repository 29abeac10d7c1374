"""What the recovery guest's raw record says about instants and about where its disk came from.

Read from the evidence file itself, so that a figure of the certificate is what anybody can
read there: the command line, QEMU's configuration, and the lines with seconds since QEMU's start.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["VmWitness"]

_LINE: Final = r"^\s*(\d+\.\d+) s  {}\b(.*)$"
_NAMED_FILE: Final = re.compile(r'(?:"filename":\s*"|\bfilename\s*=\s*"|file:)([^"\s]+)')
_OWN_FILES: Final = frozenset({"overlay.qcow2", "extents", "prove.console.log"})
"""What the recovery guest may touch besides the blob: its throw-away overlay, the list of extents
and the kernel's log."""


@dataclass(frozen=True, slots=True)
class VmWitness:
    """`raw` is the vm prover's output; the prover ran from `began_at` to `ended_at` (monotonic)."""

    raw: str
    began_at: float
    ended_at: float

    @property
    def ready(self) -> bool:
        """The guest's own program came up."""
        return self._find("ready") is not None

    def at(self, step: str) -> float:
        """When the guest reported a step; the prover's end if it did not (never too early)."""
        found = self._find(f"step {step}")
        if found is None:
            return self.ended_at
        last = re.findall(r"^\s*(\d+\.\d+) s  ", self.raw, re.MULTILINE)[-1]
        # Line stamps count from QEMU's start; the last line is the prover's end, less a moment.
        return self.ended_at - (float(last) - float(found[1]))

    def number(self, step: str, key: str) -> int | None:
        """A number that the guest reported with a step."""
        found = self._find(f"step {step}")
        value = re.search(rf"\b{key}=(-?\d+)\b", found[2]) if found is not None else None
        return int(value[1]) if value is not None else None

    def straight_from_blob(self, blob: str, site: Path) -> bool:
        """The command line names the blob's URL and, of files, only the guest's own.

        Nothing of the trial's folder, where volume and state lay, is named anywhere.
        """
        command = self.raw.partition("# what the guest said")[0]
        names_blob = re.search(rf"https?://[^\s\"]*/{re.escape(blob)}\b", command) is not None
        files = {Path(name).name for name in _NAMED_FILE.findall(command)}
        return names_blob and str(site) not in command and files <= _OWN_FILES

    def _find(self, words: str) -> "re.Match[str] | None":
        return re.search(_LINE.format(re.escape(words)), self.raw, re.MULTILINE)
