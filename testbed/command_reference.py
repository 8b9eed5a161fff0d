"""Write imgret/cli/commands.json, the commands and options of the three programs, for completion and man pages: `make reference`.

`imgret.cli.command_table` describes the form. The file is in the tree, because reading the commands themselves takes a fifth of
a second at each press of tab.
"""

from __future__ import annotations

import json
from typing import Any

import imgretd.main as daemon

import imgret_tui.__main__ as picker
from imgret.cli.command_table import of_argparse, own_table
from imgret.cli.complete_shell import TABLES


def tables() -> dict[str, Any]:
    """Return the table of each program by its name."""
    return {
        "imgret": own_table(),
        "imgret-tui": of_argparse(picker._parser()),
        "imgretd": of_argparse(daemon._parser()),
    }


def text() -> str:
    """Return the text of the file: indented, so that changes can be reviewed and merged."""
    return json.dumps(tables(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    with open(TABLES, "w", encoding="utf-8") as file:
        file.write(text())
