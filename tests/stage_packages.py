"""Installs `tests/stage_package`, a package that brings a stage, where only processes with that folder in their path find it."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

PACKAGE = Path(__file__).parent / "stage_package"


def install(folder: Path, *, version: str = "1") -> None:
    """Install the package into `folder`, as pip does: its module, and the metadata of its pyproject.toml.

    `version` is of the stage's own code.
    """
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    folder.mkdir(exist_ok=True)
    module = (PACKAGE / "imgret_colour.py").read_text()
    assert '"colour", ("pixels",), 1, "1"' in module
    (folder / "imgret_colour.py").write_text(
        module.replace('("pixels",), 1, "1"', f'("pixels",), 1, "{version}"')
    )
    info = folder / f"imgret_colour-{project['version']}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(points))


def uninstall(folder: Path) -> None:
    """Remove it."""
    shutil.rmtree(folder)
    folder.mkdir()
