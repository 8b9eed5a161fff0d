"""A stage of another package has its row in the picker, and its filter works there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stage_packages import install

from imgret.stages import registry


@pytest.fixture
def colours(demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pictures of the demo, described with the stage of the package too."""
    site = tmp_path / "site"
    install(site)
    subprocess.run(
        [sys.executable, "-m", "imgret", "index", str(demo.pictures)],
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
    )
    monkeypatch.syspath_prepend(str(site))
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()
    monkeypatch.delitem(sys.modules, "imgret_colour", raising=False)


async def test_its_row_is_shown_and_its_filter_works(colours: None, run: Callable[..., Any]) -> None:
    async with run("colour:white") as here:
        white = here.names
        assert white
        assert re.search(r"^colour +.*white", here.text("#details"), re.MULTILINE)
        await here.clear()
        await here.type("-colour:white")
        assert here.names
        assert not {*here.names} & {*white}
        assert "white" not in here.text("#details").partition("\ncolour")[2].partition("\n")[0]
