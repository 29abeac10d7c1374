"""Profiles are strict: what is misspelt, unknown or not positive is an error with its place."""

from pathlib import Path

import pytest

from harness.claims import CLAIMS, find_claim
from harness.errors import UsageError
from harness.profile import PROFILES, RpoBounds, RtoBounds, load_profile, profile_names


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_first_demands_what_its_issue_says() -> None:
    first = load_profile("first")
    assert set(first.demands) == {
        "consumable",
        "crash-consistent",
        "no-acked-loss",
        "rpo",
        "rto",
        "direct-write",
        "fenced",
        "boots",
    }
    assert list(first.demands) == [claim for claim in CLAIMS if claim in first.demands]
    rpo = first.bounds("rpo", RpoBounds)
    assert rpo is not None
    assert (rpo.rpo_seconds, rpo.trials) == (5, 3)
    assert first.bounds("rpo", RtoBounds) is None


@pytest.mark.parametrize("name", profile_names())
def test_every_shipped_profile_loads(name: str) -> None:
    assert load_profile(name).demands


def test_a_profile_is_found_by_its_path(tmp_path: Path) -> None:
    path = write(tmp_path, 'title = "t"\n[demand.rto]\nrto_seconds = 7.5\n')
    profile = load_profile(path)
    assert profile.name == "mine"
    rto = profile.bounds("rto", RtoBounds)
    assert rto is not None
    assert (rto.rto_seconds, rto.trials) == (7.5, 1)


BAD = [
    ("[demand.rpo]\nrpo_seconds = 5\n", ["mine.toml", "title"]),
    ('title = "t"\n', ["mine.toml", "demand"]),
    ('title = "t"\n[demand]\n', ["demands nothing"]),
    ('title = "t"\nextra = 1\n[demand.boots]\n', ["extra"]),
    ('title = "t"\n[demand.rpo]\nrpo_secs = 5\n', ["[demand.rpo]", "'rpo_secs'", "rpo_seconds"]),
    ('title = "t"\n[demand.rpo]\n', ["[demand.rpo]", "rpo_seconds"]),
    ('title = "t"\n[demand.rpo]\nrpo_seconds = -1\n', ["[demand.rpo]", "$.rpo_seconds"]),
    ('title = "t"\n[demand.rpo]\nrpo_seconds = 0\n', ["$.rpo_seconds"]),
    ('title = "t"\n[demand.rpo]\nrpo_seconds = inf\n', ["rpo_seconds", "finite"]),
    ('title = "t"\n[demand.rpo]\nrpo_seconds = "5"\n', ["$.rpo_seconds"]),
    ('title = "t"\n[demand.boots]\ntrials = 0\n', ["[demand.boots]", "$.trials"]),
    ('title = "t"\n[demand.boots]\ntrials = true\n', ["$.trials"]),
    ('title = "t"\n[demand.no-acked-loss]\nmodes = []\n', ["$.modes"]),
    ('title = "t"\n[demand.no-acked-loss]\nmodes = ["async"]\n', ["$.modes"]),
    ('title = "t"\n[demand.crash-consistent]\norders = ["random"]\n', ["$.orders"]),
    ('title = "t"\n[demand.bots]\n', ["[demand.bots]", "no such claim", "boots"]),
    ('title = "t"\n[demand.failback]\n', ["cannot judge it yet"]),
    ("title = \n", ["mine.toml", "not valid TOML"]),
    ('title = "t"\ndemand = 3\n', ["$.demand"]),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_profile_is_refused_with_file_and_key(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        load_profile(write(tmp_path, text))
    for word in said:
        assert word in str(refused.value)
    assert refused.value.exit_code == 64


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_profile(str(path))


@pytest.mark.parametrize("name", ["frist", "./nowhere.toml", "zzz"])
def test_an_unknown_profile_names_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match="first"):
        load_profile(name)


def test_the_profiles_lie_where_they_are_looked_for() -> None:
    assert (PROFILES / "first.toml").is_file()


def test_an_unknown_claim_names_the_nearest() -> None:
    assert find_claim("rpo").id == "rpo"
    with pytest.raises(UsageError, match="crash-consistent"):
        find_claim("crash-consistant")
    with pytest.raises(UsageError, match="lists all"):
        find_claim("qqqq")
