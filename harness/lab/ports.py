"""Free ports of the loopback address."""

import socket

__all__ = ["free_udp_port"]


def free_udp_port() -> int:
    """A UDP port that nobody has bound right now; its user must cope if somebody is quicker."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
