"""What an operator asks of running processes: status, failover, resize, point, points.

Each asks a control socket in a site's state folder and prints the answer; returns the exit code: 0
done, 2 nobody runs there or it is refused, 64 the request itself is wrong.
"""

import json
import re
import time
from pathlib import Path

from engine.core.standby_phase import Phase
from engine.errors import ConfigurationError
from engine.policy import Policy
from engine.shell.control import Answer, ask

EXIT_USAGE = 64
UNDECIDED = (Phase.SUSPECTING, Phase.CONFIRMING)
DECISION_SECONDS = 10.0
DECISION_POLL_SECONDS = 0.1
LONG_ANSWER_SECONDS = 60.0
_SIZE = re.compile(r"(\+?)([0-9]{1,16})([KMGT]?)")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str) -> Answer:
    """Read "BYTES" or "+BYTES", each with K, M, G or T for powers of 1024."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"--size {text!r}: a number of bytes, such as 1073741824 or 1G, or +1G to grow by it"
        )
    return {"bytes": int(found[2]) * _UNITS[found[3]], "grow": bool(found[1])}


def status(policy: Policy, folder: Path, *, as_json: bool) -> int:
    """Tell of every site that runs on this machine."""
    request: Answer = {"request": "status"}
    sites = {"primary": ask(folder / policy.primary.state, request)}
    for number, standby in enumerate(policy.standbys):
        name = f"standby {standby.node}" if number else "standby"
        sites[name] = ask(folder / standby.state, request)
    if as_json:
        print(json.dumps(sites))
    else:
        for site, answer in sites.items():
            _print_site(site, answer)
    return 0 if any(sites.values()) else 2


def failover(policy: Policy, folder: Path, volume: str, *, node: str, forced: bool) -> int:
    """Ask a standby to take a volume over now."""
    policy.volume(volume)
    request: Answer = {"request": "failover", "volume": volume, "forced": forced}
    state = folder / policy.standby_of(node).state
    answer = _decided(state, volume, ask(state, request))
    if answer is None:
        print("no standby process runs on this machine: start `python -m engine standby` first")
        return 2
    if answer.get("phase") == Phase.REFUSED:
        answer = {**answer, "refused": answer["reason"]}
    return _told(f"failover of {volume}", answer, as_json=False)


def resize(policy: Policy, folder: Path, volume: str, size: str, *, as_json: bool) -> int:
    """Give a protected volume, and its disk, another size."""
    policy.volume(volume)
    request = {"request": "resize", "volume": volume, **parse_size(size)}
    answer = ask(folder / policy.primary.state, request, LONG_ANSWER_SECONDS)
    return _of_primary(f"resize of {volume}", answer, as_json=as_json)


def point(policy: Policy, folder: Path, volume: str, *, as_json: bool) -> int:
    """Take a recovery point now."""
    policy.volume(volume)
    request: Answer = {"request": "point", "volume": volume}
    answer = ask(folder / policy.primary.state, request, LONG_ANSWER_SECONDS)
    return _of_primary(f"recovery point of {volume}", answer, as_json=as_json)


def points(policy: Policy, folder: Path, volume: str, *, as_json: bool) -> int:
    """List the recovery points, asking whichever site runs here."""
    policy.volume(volume)
    request: Answer = {"request": "points", "volume": volume}
    answer = None
    for site in (policy.primary, *policy.standbys):
        answer = answer or ask(folder / site.state, request, LONG_ANSWER_SECONDS)
    if answer is None:
        print("no process of this policy runs on this machine")
        return 2
    listed = answer.get("points")
    if as_json or not isinstance(listed, list):
        return _told(f"points of {volume}", answer, as_json=as_json)
    for found in listed:
        pinned = ", pinned" if found["pinned"] else ""
        print(f"{found['id']}  {found['kind']}  {found['size_bytes']} bytes{pinned}")
    if not listed:
        print(f"{volume} has no recovery point")
    return 0


def _of_primary(what: str, answer: Answer | None, *, as_json: bool) -> int:
    if answer is None:
        print("no primary process runs on this machine: start `python -m engine primary` first")
        return 2
    return _told(what, answer, as_json=as_json)


def _told(what: str, answer: Answer, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(answer))
    elif "refused" in answer:
        print(f"{what} is refused: {answer['refused']}")
    else:
        print(answer.get("error") or json.dumps(answer))
    if "error" in answer:
        return EXIT_USAGE
    return 2 if "refused" in answer or "pending" in answer else 0


def _print_site(site: str, answer: Answer | None) -> None:
    if answer is None:
        print(f"{site}: no process runs here")
        return
    if "error" in answer:
        print(f"{site}: {answer['error']}")
        return
    print(f"{site}: node {answer['node']}")
    volumes = answer["volumes"]
    assert isinstance(volumes, dict)
    for name, facts in volumes.items():
        told = [f"{key} {_show(value)}" for key, value in facts.items() if value not in ("", 0, -1)]
        told += [f"{key} no" for key, value in facts.items() if value is False]
        print(f"  {name}: {', '.join(told)}")


def _show(value: object) -> object:
    return "yes" if value is True else value


def _decided(state: Path, volume: str, answer: Answer | None) -> Answer | None:
    """What became of an asked failover: the standby looks at the blob before it begins or refuses.

    A store that does not answer leaves it open; then the answer says so in its `reason`.
    """
    deadline = time.monotonic() + DECISION_SECONDS
    while answer is not None and answer.get("phase") in UNDECIDED and time.monotonic() < deadline:
        time.sleep(DECISION_POLL_SECONDS)
        site = ask(state, {"request": "status"})
        volumes = site.get("volumes") if site is not None else None
        answer = {"volume": volume, **volumes[volume]} if isinstance(volumes, dict) else site
    return answer
