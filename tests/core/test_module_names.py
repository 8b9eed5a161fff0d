"""Modules and paths that the documents name exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ROOTS = (TOP, TOP / "imgret", TOP / "daemon")
DOCUMENTS = [
    TOP / "ARCHITECTURE.md",
    TOP / "CONTRIBUTING.md",
    TOP / "benchmarks/NOTES.md",
    *(TOP / "docs").glob("*.md"),
]
OURS = [TOP / name for name in ("imgret", "daemon/imgretd", "imgret_tui", "benchmarks", "testbed", "tests")]
MODULES = {
    path.stem: path for folder in OURS[:-1] for path in folder.rglob("*.py") if not path.stem.startswith("__")
}
PACKAGES = {path.parent.name for folder in OURS for path in folder.rglob("__init__.py")}
FILES = (".toml", ".md", ".json", ".txt", ".db", ".STAGE")  # endings of files in the user's folders
TAGS = {"imgret/dog"}
_CODE = re.compile(r"```.*?```|`([^`\n]+)`", re.DOTALL)
_DOTTED = re.compile(r"[a-zA-Z_]\w*(\.[a-zA-Z_]\w*)+")
_PATH = re.compile(r"[a-z_]+(/[\w.-]+)+/?")
_OURS = re.compile(
    r"^(imgret|daemon|imgret_tui|cli|store|stages|search|tests|benchmarks|decode|docs|systemd|packaging|contrib)/"
)


def quoted(document: Path) -> list[str]:
    """What a document has in backticks, without blocks of code."""
    return [found[1] for found in _CODE.finditer(document.read_text()) if found[1]]


def names_in(module: Path) -> set[str]:
    """Every name that a module defines: classes, functions, methods, attributes, imports."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something that a module or the interface `Store` defines."""
    parts = name.split(".")
    for root in ROOTS:
        place, rest = root, list(parts)
        while rest and (place / rest[0]).is_dir():
            place /= rest.pop(0)
        if place == root and not (root / f"{parts[0]}.py").is_file():
            continue
        if rest and (place / f"{rest[0]}.py").is_file():
            module = place / f"{rest.pop(0)}.py"
            return not rest or set(rest) <= names_in(module)
        if not rest:
            return True
        if place == TOP / "imgret/store":  # `store.work.claim`: a method of a group of the store
            groups = list((place / "interface").glob("*.py"))
            return set(rest) <= set().union(*map(names_in, groups))
    module = MODULES.get(parts[0])
    return module is not None and set(parts[1:]) <= names_in(module)


def is_ours(name: str) -> bool:
    first = name.split(".")[0]
    return (first in PACKAGES or first in MODULES) and not name.endswith(FILES)


@pytest.mark.parametrize(
    "name", ["search.rank.search", "store.work.claim", "imgretd.emitter", "fuse.joined", "cli.console"]
)
def test_names_of_modules_and_of_what_they_define_are_found(name: str) -> None:
    assert is_ours(name)
    assert exists(name)
    assert not exists(f"{name}_of_another_tree")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_modules_named_in_documents_exist(document: Path) -> None:
    named = {name for name in quoted(document) if _DOTTED.fullmatch(name) and is_ours(name)}
    assert {name for name in named if not exists(name)} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_named_in_documents_exist(document: Path) -> None:
    named = {
        name for name in quoted(document) if _PATH.fullmatch(name) and name not in TAGS and _OURS.match(name)
    }
    missing = {
        name
        for name in named
        if not any((root / name).exists() or (root / f"{name}.py").exists() for root in ROOTS)
    }
    assert missing == set()


def test_the_table_of_packages_names_modules_of_the_library() -> None:
    text = (TOP / "ARCHITECTURE.md").read_text()
    table = text.partition("| package or module | responsible for |")[2].partition("\n\n")[0]
    listed = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert listed
    children = {
        path.stem
        for path in (TOP / "imgret").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert listed <= children
