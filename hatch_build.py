"""What is made when a wheel is built: the man pages, and the completion scripts where shells look for them."""

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
    """Adds the files to the wheel. An editable installation does without."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling."""
        if version == "editable":
            return
        folder = os.path.join(self.root, "build", "command_files")
        build_data["shared_data"].update(write_files(self.root, folder, self.metadata.version))


def write_files(root: str, folder: str, version: str) -> dict[str, str]:
    """Write the files below `folder`. Return where each belongs in the environment."""
    packaging = os.path.join(root, "packaging")
    if packaging not in sys.path:
        sys.path.insert(0, packaging)
    from man_pages import man_page

    commands = os.path.join(root, "imgret", "cli")
    with open(os.path.join(commands, "commands.json"), encoding="utf-8") as file:
        tables = json.load(file)
    os.makedirs(folder, exist_ok=True)
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    shared = {}
    for name in PROGRAMS:
        page = os.path.join(folder, f"{name}.1")
        with open(page, "w", encoding="utf-8") as file:
            also = [other for other in PROGRAMS if other != name]
            file.write(man_page(name, tables[name], version, date, also))
        shared[page] = f"share/man/man1/{name}.1"
    for shell, place in _SCRIPTS.items():
        for name in PROGRAMS:  # a shell looks for a file named like the command
            copy = os.path.join(folder, f"{name}.{shell}")
            with open(os.path.join(commands, "shell", f"complete.{shell}"), encoding="utf-8") as source:
                text = source.read()
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text)
            shared[copy] = place.format(name)
    shared[os.path.join(commands, "shell", "complete.zsh")] = "share/zsh/site-functions/_imgret"
    return shared
