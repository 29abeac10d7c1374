"""What a connection of the tap asks of the server that accepted it."""

from typing import TYPE_CHECKING, Protocol

from engine.shell.tap_handler import TapHandler
from engine.shell.tap_memory import TapMemory

if TYPE_CHECKING:
    from engine.shell.tap_connection import Connection


class Gate(Protocol):
    """What a connection needs from the server that accepted it."""

    @property
    def address(self) -> str:
        """Where the tap listens, for log lines."""

    @property
    def handler(self) -> TapHandler:
        """The volume."""

    @property
    def memory(self) -> TapMemory:
        """To receive into."""

    def joined(self, connection: "Connection") -> bool:
        """Count a new connection in; False: there are too many, drop it."""

    def admit(self, connection: "Connection") -> bool:
        """Give the export to the connection; False while another live client has it."""

    def release(self, connection: "Connection") -> None:
        """Give the export back: the connection asks for nothing any more."""

    def left(self, connection: "Connection") -> None:
        """Forget a connection that is gone."""
