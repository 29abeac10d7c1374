"""Style that a machine can check: lengths, names, docstrings, and what no file may say."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("engine", "harness", "reports", "tests")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
# Longer than the rest for now; these may only shrink.
BANNED_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "managers",
    "base",
    "common",
    "misc",
}
LOCKS = {"requirements.txt", "package-lock.json"}

# Written in pieces, so that this file does not say what it forbids.
REGISTRIES = re.compile(
    r"|".join((r"pypi\." + "org", r"pythonhosted\." + "org", r"registry\.npm" + "js",
               r"deb\.debian\." + "org", r"snapshot\.debian\." + "org"))
)  # fmt: skip
MACHINE_PATHS = re.compile(r"(?<![\w.<}])/(?:" + "work" + r"|root)/(?!\.)\w")


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in FOLDERS
    ]


def show(path: Path) -> str:
    return str(path.relative_to(ROOT))


MODULES = modules()


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=show)
def test_a_module_is_short_named_well_and_says_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= FILE_LINES_MAX, "split it: one idea a file"
    assert not BANNED_NAMES & set(path.stem.split("_")), "name it by what it is about"
    tree = ast.parse(text)
    assert not tree.body or ast.get_docstring(tree), "its docstring has to say what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} is {lines} lines long: split it"


def test_no_file_names_a_registry_or_a_path_of_the_machine_it_was_made_on() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        banned = [REGISTRIES] if path.name in LOCKS else [REGISTRIES, MACHINE_PATHS]
        found += [
            f"{show(path)}: {match.group()}" for rule in banned for match in rule.finditer(text)
        ]
    assert found == []


def test_lock_files_say_what_packages_are_and_not_where_from() -> None:
    locked = (ROOT / "requirements.txt").read_text("utf-8")
    pins = re.findall(r"^[\w.-]+==", locked, re.MULTILINE)
    assert len(pins) == len(re.findall(r"==.* \\\n +--hash=sha256:", locked)) > 30
    assert "index-url" not in locked
    npm = (ROOT / "harness/provision/node/package-lock.json").read_text("utf-8")
    assert '"resolved": "http' not in npm
    assert npm.count('"integrity": "sha512-') > 100
