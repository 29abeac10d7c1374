"""The engine's event lines: JSON objects, one a line, read from the file that is its stdout."""

import json
from pathlib import Path
from typing import Final, Literal

from harness.adapter import SystemEvent

__all__ = ["EventLines"]

_KEPT: Final = (str, int, float, bool, type(None))


class EventLines:
    """A growing file of event lines; each read parses only what is new.

    Lines that are no events are counted, not fatal: a broken system under test must not break the
    lab.
    """

    def __init__(self, side: Literal["primary", "standby"], path: Path) -> None:
        self._side = side
        self._path = path
        self._offset = 0
        self._events: list[SystemEvent] = []
        self.malformed = 0

    def read(self) -> list[SystemEvent]:
        """All events so far."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        complete = new[: new.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            self._take(line)
        return self._events

    def _take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            name, at = str(record.pop("event")), float(record.pop("t"))
        except (ValueError, TypeError, KeyError, AttributeError):
            self.malformed += 1
            return
        fields = {key: value for key, value in record.items() if isinstance(value, _KEPT)}
        self._events.append(SystemEvent(at, self._side, name, fields))
