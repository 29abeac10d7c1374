"""What the engine's edges raise. The core never raises for operating errors: it gets events.

EngineError
├── ConfigurationError   exit 64: policy, command line, credentials, names
│   ├── PolicyError      the policy file
│   └── StoreRefused     the blob service understood and refused: no such container, key, SAS
├── FooterError          a footer that is not a valid fixed-VHD footer for its disk
├── VolumeError          the local volume: missing, wrong size, busy, I/O error
├── ProtocolError        a peer (NBD client, heartbeat) spoke nonsense
└── StoreUnavailable     exit 2: the blob service cannot be reached or does not answer

A message says what failed, on what, what it means and what to do next. None may hold a secret.
"""

from typing import ClassVar


class EngineError(Exception):
    """Root of the engine's errors; `exit_code` is what a command line ends with."""

    exit_code: ClassVar[int] = 70


class ConfigurationError(EngineError):
    """The user's input is wrong: policy, arguments, names or credentials."""

    exit_code = 64


class PolicyError(ConfigurationError):
    """The policy file cannot be used; the message names the file and the key."""


class StoreRefused(ConfigurationError):
    """The blob service refused for good: unknown container or blob, wrong key, expired SAS."""


class FooterError(EngineError):
    """These bytes are no valid fixed-VHD footer; the message names the field."""

    exit_code = 1


class VolumeError(EngineError):
    """The local volume cannot be protected or read."""

    exit_code = 64


class ProtocolError(EngineError):
    """A peer violated its protocol; its connection is closed, nothing else is affected."""


class StoreUnavailable(EngineError):
    """The blob service cannot be reached or does not answer in time."""

    exit_code = 2
