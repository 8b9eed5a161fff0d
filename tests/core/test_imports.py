"""What a command may not import, seen from a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "ultralytics", "sentence_transformers", "textual"}
MODULES = [
    "imgret.errors", "imgret.photo", "imgret.config", "imgret.scan", "imgret.exclude", "imgret.mounts",
    "imgret.index.connection", "imgret.index.work", "imgret.index.results", "imgret.ingest", "imgret.sync",
    "imgret.state", "imgret.answer", "imgret.cli.app", "imgret.link.client", "imgret.describe.loading",
    "imgret.describe.pipeline", "imgret.search.rank", "imgretd.main",
]  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """The top-level names of the modules that `code` loads in a fresh interpreter."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.must_run
def test_nothing_heavy_at_import_time_anywhere() -> None:
    found = loaded_by("\n".join(f"import {name}" for name in MODULES))
    assert not HEAVY & found


@pytest.mark.must_run
def test_the_question_over_the_socket_imports_next_to_nothing() -> None:
    found = loaded_by("import imgret.__main__, imgret.cli.quick, imgret.link.client")
    assert not {"typer", "numpy", "msgspec", "apsw", "rich", "PIL", "asyncio", *HEAVY} & found
