"""README.zh.md has what README.md has: the same headings, code blocks, rows of tables and links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = {
    "headings": r"^(#+) ",
    "code blocks": r"^```(\w*)$",
    "first cells of rows": r"^\| (`[^|]*`|\d+) \|",
    "images": r"!\[[^]]*\]\(([^)]+)\)",
}


@pytest.mark.parametrize("pattern", PARTS.values(), ids=PARTS)
def test_the_translation_is_complete(pattern: str) -> None:
    english, chinese = (
        re.findall(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        for name in ("README.md", "README.zh.md")
    )
    assert chinese == english


def test_the_commands_of_the_code_blocks_are_the_same() -> None:
    english, chinese = (
        [
            re.split(r'(?:^|\s)#|"', line)[0].rstrip()
            for block in re.findall(
                r"^```\w*\n(.*?)^```$", (ROOT / name).read_text("utf-8"), re.MULTILINE | re.DOTALL
            )
            for line in block.splitlines()
        ]
        for name in ("README.md", "README.zh.md")
    )
    assert chinese == english
