"""metadata-faithful: the volume's properties are in the blob, in its points and in the footer.

Name, id, label, mode and order as they were set up; the size is one that the volume has, or had;
after a resize was answered it is the new one. Read from the map at every change of it, from each
snapshot when it is taken, and from the footer's unique id.
What it does not verify: keys that others put there, geometry (consumable), the time of creation.
"""

from harness.checkers.blob_metadata import BlobMetadata, read_metadata
from harness.checkers.checker import Checker
from harness.checkers.footers import read_disk_end
from harness.checkers.history import PAGE_BYTES
from harness.checkers.observation import Mounted, Operation, RunSetup
from harness.sim.blob_requests import CreateBlob, Request, SetMetadata, TakeSnapshot
from harness.sim.page_blob import PageBlob

__all__ = ["MetadataFaithful"]


class MetadataFaithful(Checker):
    """Compares the map with the setup and with the sizes of the volume."""

    claim = "metadata-faithful"

    def __init__(self) -> None:
        super().__init__()
        self._wanted: list[tuple[str, str]] = []

    def started(self, setup: RunSetup) -> None:
        """What the map must say all along."""
        wanted = [
            ("mp_volume_name", setup.volume_name), ("mp_volume_id", setup.volume_id),
            ("mp_label", setup.label), ("mp_mode", setup.mode), ("mp_order", setup.order),
        ]  # fmt: skip
        self._wanted = [(key, value) for key, value in wanted if value]

    def changed(self, now_us: int, _node: str, request: Request, blob: PageBlob) -> None:
        """Read the map that was written."""
        if isinstance(request, (CreateBlob, SetMetadata)):
            self._read(now_us, self.scene.metadata, "the blob")
        elif isinstance(request, TakeSnapshot):
            self._read(now_us, read_metadata(blob.snapshots[-1].metadata), "a point")

    def requested(self, now_us: int, operation: Operation) -> None:
        """After a resize the map has the new size."""
        if not self.scene.is_answer_to_last_resize(operation):
            return
        self.count += 1
        told = self.scene.metadata.keys.get("mp_volume_bytes", "")
        if told != str(operation.volume_bytes):
            text = f"resize {operation.op} was answered, the blob's metadata has the old size"
            self.report(
                now_us, "size-not-replicated", text,
                expected=str(operation.volume_bytes), found=told,
            )  # fmt: skip

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """The footer names the volume."""
        wanted = self.scene.setup.volume_id
        footer = read_disk_end(mounted.footer, mounted.size_bytes + PAGE_BYTES).footer
        if not wanted or footer is None:
            return
        self.count += 1
        if footer.unique_id.hex != wanted:
            text = "the footer of the mounted disk has the id of another volume"
            self.report(
                now_us, "footer-of-another-volume", text,
                expected=wanted, found=footer.unique_id.hex,
            )  # fmt: skip

    def _read(self, now_us: int, metadata: BlobMetadata, where: str) -> None:
        self.count += 1
        if metadata.malformed:
            text = f"the metadata of {where} cannot be read: {metadata.malformed}"
            self.report(now_us, "malformed", text)
            return
        for key, value in self._wanted:
            if metadata.keys.get(key, "") != value:
                name = key.removeprefix("mp_")
                text = f"the metadata of {where} has another {name}"
                self.report(
                    now_us, f"{name}-differs".replace("_", "-"), text,
                    expected=value, found=metadata.keys.get(key, "nothing"),
                )  # fmt: skip
        size = metadata.keys.get("mp_volume_bytes", "")
        for entry in self.scene.history.sizes:
            if entry.told == size:
                break
        else:
            sizes = [entry.told for entry in self.scene.history.sizes]
            text = f"the metadata of {where} has a size that the volume never had"
            self.report(now_us, "size-differs", text, expected=" or ".join(sizes), found=size)
