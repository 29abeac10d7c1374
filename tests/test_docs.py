"""The documentation says what is there: links, names, examples and commands are looked up."""

import re
import subprocess
from pathlib import Path

import pytest

from engine.policy import parse_policy
from harness.claims import CLAIMS
from harness.command_line.main import COMMANDS
from harness.profile import BOUNDS, load_profile

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = ("engine", "harness", "reports")


def text_of(*names: str) -> str:
    return "\n".join((ROOT / name).read_text("utf-8") for name in names)


def fenced(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def show(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
    return set(listed.stdout.decode().splitlines())


@pytest.mark.parametrize("page", PAGES, ids=show)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=show)
def test_files_that_are_named_are_there(page: Path) -> None:
    """`x.py` may be named by its end alone."""
    files = tracked()
    for name in re.findall(r"`([\w./-]+\.(?:py|toml|c))(?:::\w+)?`", page.read_text("utf-8")):
        if name not in ("dr.toml", "my.toml", "policy.toml"):
            assert any(f"/{file}".endswith(f"/{name}") for file in files), name


def test_the_readme_s_policy_is_one() -> None:
    (example,) = fenced("README.md", "toml")
    policy = parse_policy(example, "dr.toml")
    assert policy.volume("db").mode == "async"
    assert policy.store.container == "volumes"


def test_the_example_of_a_profile_is_one(tmp_path: Path) -> None:
    (example,) = fenced("docs/claims.md", "toml")
    (tmp_path / "ours.toml").write_text(example)
    profile = load_profile(str(tmp_path / "ours.toml"))
    assert set(profile.demands) == {"no-acked-loss", "rto"}


def test_the_readme_names_what_the_default_profile_demands() -> None:
    said = re.search(
        r"Profile\s+`quick` demands: (.*?)\. `limits`", text_of("README.md"), re.DOTALL
    )
    assert said
    assert set(re.findall(r"`([\w-]+)`", said[1])) == set(load_profile("quick").demands)


def test_every_claim_is_on_the_page_of_claims_in_its_place() -> None:
    judged, _, others = text_of("docs/claims.md").partition("without a judge yet")
    assert set(re.findall(r"^\| ([a-z-]+) \| .*`judge/", judged, re.MULTILINE)) == set(BOUNDS)
    listed = others.partition("A profile")[0]
    assert set(re.findall(r"`([\w-]+)`", listed)) == set(CLAIMS) - set(BOUNDS)


def test_every_command_is_told_of() -> None:
    said = text_of("README.md", "docs/lab.md", "docs/claims.md")
    for command in COMMANDS:
        assert f"mountproof {command}" in said, command
    for command in ("primary", "standby", "status", "failover"):
        assert f"-m engine {command}" in text_of("README.md"), command


def test_what_docstrings_refer_to_is_on_the_pages() -> None:
    """`facts.md 1.2` names a section, `protocol.md H11` a rule."""
    code = "\n".join(
        path.read_text("utf-8") for folder in SOURCES for path in (ROOT / folder).rglob("*.py")
    )
    headings = re.findall(r"^#+ (\d+(?:\.\d+)?)", text_of("docs/facts.md"), re.MULTILINE)
    asked = set(re.findall(r"facts\.md (\d+(?:\.\d+)?)", code))
    assert asked
    assert asked <= set(headings)
    protocol = text_of("docs/protocol.md")
    covered = set(re.findall(r"\b([FHP]\d{1,2})\b", protocol))
    for first, last in re.findall(r"\bH(\d+) to H(\d+)\b", protocol):
        covered |= {f"H{number}" for number in range(int(first), int(last) + 1)}
    rules = set(re.findall(r"protocol\.md ([FHP]\d{1,2})", code))
    assert rules
    assert rules <= covered
    assert covered >= {f"H{number}" for number in range(1, 40)}
