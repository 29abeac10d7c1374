"""Where set-up puts things: the checkout, its cache and its environment."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "places"]


@dataclass(frozen=True)
class Places:
    """Folders of one checkout; `cache` may be shared by several checkouts."""

    checkout: Path
    cache: Path

    @property
    def environment(self) -> Path:
        """The virtual environment that `mountproof` runs in."""
        return self.checkout / ".venv"

    @property
    def node_parts(self) -> Path:
        """The folder below which npm installs the blob services and their node."""
        return self.cache / "node"

    @property
    def guest(self) -> Path:
        """The folder for the guest's kernel and initramfs."""
        return self.cache / "guest"

    def log(self, name: str) -> Path:
        """Log file of one set-up step."""
        return self.cache / "logs" / f"{name}.log"


def places() -> Places:
    """Return the folders of this checkout; MOUNTPROOF_CACHE moves the cache."""
    checkout = Path(__file__).resolve().parents[2]
    cache = os.environ.get("MOUNTPROOF_CACHE", "")
    return Places(checkout, Path(cache).resolve() if cache else checkout / ".cache")
