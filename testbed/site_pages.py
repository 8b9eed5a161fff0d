"""A hook of mkdocs: the pages at the root of the repository join the site, README.md as its first page.

Pages of docs/ that mkdocs.yml does not name are appended to its navigation.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    **{
        name: name
        for name in ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "README.zh.md")
    },
    "benchmarks/NOTES.md": "benchmarks.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, with links as they are from docs/."""
    for path, page in PAGES.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=re.sub(r"\]\(docs/", "](", text)))
    named = {page for entry in config["nav"] for page in entry.values()}
    for file in files.documentation_pages():
        if file.src_uri not in named and file.src_uri != "README.zh.md":
            config["nav"].append(file.src_uri)
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links lead to the pages of the site: those of docs/ have `../`, those of the root the names there."""
    for path, page in PAGES.items():
        markdown = re.sub(rf"\]\((?:\.\./)?{re.escape(path)}(?=[)#])", f"]({page}", markdown)
    return markdown
