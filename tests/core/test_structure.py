"""The rules for the source tree: file names, sizes, layers, and what tests and benchmarks may import."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGES = ("imgret", "imgret_tui", "daemon/imgretd")
FOLDERS = (*PACKAGES, "benchmarks", "testbed", "tests")
SAME_NAMES = {"__init__.py", "__main__.py", "conftest.py"}  # Python and pytest prescribe these names

MOST_LINES = 300
# Longer modules of today, and how long they may get. Shorten them; do not add to this list.
LONG = {
    "tests/core/test_confine.py": 350,
    "tests/core/test_formats.py": 360,
    "tests/core/test_index_identity.py": 370,
    "tests/core/test_rank.py": 410,
    "tests/daemon/test_service.py": 460,
    "tests/models/test_weights_pull.py": 360,
    "tests/tui/test_picker_terminal.py": 350,
}


def modules(*folders: str) -> list[Path]:
    """All Python files below these folders, relative to the repository."""
    found = [path.relative_to(TOP) for folder in folders for path in (TOP / folder).rglob("*.py")]
    assert found
    return sorted(found)


def lines(module: Path) -> int:
    return len((TOP / module).read_text().splitlines())


def imported(module: Path) -> set[str]:
    """The dotted names that a module imports anywhere in it, type checking included."""
    names = set()
    for node in ast.walk(ast.parse((TOP / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_no_two_modules_have_the_same_file_name() -> None:
    places = defaultdict(list)
    for module in modules(*FOLDERS):
        if module.name not in SAME_NAMES:
            places[module.name].append(str(module))
    assert [same for same in places.values() if len(same) > 1] == []


def test_no_module_is_longer_than_300_lines() -> None:
    assert {
        str(module): count
        for module in modules(*FOLDERS)
        if (count := lines(module)) > LONG.get(str(module), MOST_LINES)
    } == {}


@pytest.mark.parametrize("module", LONG)
def test_the_list_of_long_modules_names_only_long_modules(module: str) -> None:
    assert lines(Path(module)) > MOST_LINES


def test_tests_and_benchmarks_share_code_through_testbed_only() -> None:
    for module in modules("tests"):
        assert not {name for name in imported(module) if name.partition(".")[0] == "benchmarks"}, module
    test_helpers = {path.stem for path in modules("tests")} | {"tests"}
    for module in modules("benchmarks", "testbed"):
        assert not {name for name in imported(module) if name.partition(".")[0] in test_helpers}, module


def test_every_module_of_the_library_is_in_the_import_rules() -> None:
    """lint-imports checks only the modules that a rule names."""
    rules = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(
        rule["layers"] for rule in rules if rule["name"] == "Inside the library imports run one way"
    )
    layered = {name.strip() for layer in layers for name in layer.split("|")}
    children = {
        f"imgret.{path.stem}"
        for path in (TOP / "imgret").iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert layered == children
    for name, exempt in (
        ("Only the models import torch and its kin", {"imgret.models", "imgret.demo"}),
        ("Only the SQLite store imports SQLite", {"imgret.store"}),
    ):
        checked = set(next(rule["source_modules"] for rule in rules if rule["name"] == name))
        assert children - checked == exempt, name


def test_all_benchmarks_are_listed() -> None:
    programs = {
        module.stem if module.stem != "__main__" else module.parent.name
        for module in modules("benchmarks")
        if module.stem == "__main__" or 'if __name__ == "__main__":' in (TOP / module).read_text()
    } - {"benchmarks"}
    listed = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], capture_output=True, text=True, check=True, cwd=TOP
    ).stdout
    positional = listed.partition("positional arguments:")[2].partition("options:")[0]
    names = {word.strip(",") for word in positional.split()} - {"NAME"}
    assert programs == names


def test_each_package_is_marked_as_typed() -> None:
    assert [name for name in PACKAGES if not (TOP / name / "py.typed").exists()] == []
