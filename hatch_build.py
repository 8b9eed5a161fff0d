"""What is made when a wheel is built: the tables for completion, the man pages, and where shells look for their scripts."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROGRAMS = ("imgret", "imgret-tui", "imgretd")
_SCRIPTS = {
    "bash": "share/bash-completion/completions/{}",
    "fish": "share/fish/vendor_completions.d/{}.fish",
}


class CommandFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the files to the wheel. An editable installation does without: completion then reads the commands itself."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling."""
        if version == "editable":
            return
        made = write_files(self.root, os.path.join(self.root, "build", "command_files"))
        build_data["force_include"].update(made["package"])
        build_data["shared_data"].update(made["shared"])


def write_files(root: str, folder: str) -> dict[str, dict[str, str]]:
    """Write the files below `folder`. Return where they belong: in the package, and in the environment's `share`."""
    for path in (root, os.path.join(root, "daemon"), os.path.join(root, "packaging")):
        if path not in sys.path:
            sys.path.insert(0, path)
    from man_pages import man_page

    from imgret import __version__

    tables = program_tables()
    os.makedirs(folder, exist_ok=True)
    table = os.path.join(folder, "commands.json")
    with open(table, "w", encoding="utf-8") as file:
        json.dump(tables, file, ensure_ascii=True, separators=(",", ":"))
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    shared = {}
    for name in PROGRAMS:
        page = os.path.join(folder, f"{name}.1")
        with open(page, "w", encoding="utf-8") as file:
            also = [other for other in PROGRAMS if other != name]
            file.write(man_page(name, tables[name], __version__, date, also))
        shared[page] = f"share/man/man1/{name}.1"
    scripts = os.path.join(root, "imgret", "cli", "shell")
    for shell, place in _SCRIPTS.items():
        for name in PROGRAMS:  # a shell looks for a file named like the command
            copy = os.path.join(folder, f"{name}.{shell}")
            with open(os.path.join(scripts, f"complete.{shell}"), encoding="utf-8") as source:
                text = source.read()
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text)
            shared[copy] = place.format(name)
    shared[os.path.join(scripts, "complete.zsh")] = "share/zsh/site-functions/_imgret"
    return {"package": {table: "imgret/cli/commands.json"}, "shared": shared}


def program_tables() -> dict[str, Any]:
    """Return the table of each program."""
    import imgretd.main as daemon

    import imgret_tui.__main__ as picker
    from imgret.cli.command_table import of_argparse, own_table

    return {
        "imgret": own_table(),
        "imgret-tui": of_argparse(picker._parser()),
        "imgretd": of_argparse(daemon._parser()),
    }
