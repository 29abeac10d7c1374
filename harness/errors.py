"""What the harness raises to end a command; findings about a system are data, never errors.

MountproofError        exit 70: an internal error, ours
├── UsageError         exit 64: arguments, files, names, keys or configuration of the user
└── Inconclusive       exit 2: nothing can be said: a lab part is missing, a service is down

A message says what failed, on what, what it means and what to do next. No message may hold a
secret.
"""

from typing import ClassVar


class MountproofError(Exception):
    """Root of the harness's errors; `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 70


class UsageError(MountproofError):
    """The user's input is wrong; the message names the argument, file or key."""

    exit_code = 64


class Inconclusive(MountproofError):
    """No verdict is possible.

    The message names the part that is missing or the service that is down.
    """

    exit_code = 2
