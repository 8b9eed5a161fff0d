"""An unsupported address of a database is refused: it must not become the name of a new file."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import imgret


@pytest.mark.parametrize("address", ["mysql://host/photos", "postgressql://user@host/photos", "http://host"])
@pytest.mark.parametrize("command", [["index", "."], ["query", "dog"], ["status"], ["stats"], ["add", "."]])
def test_an_address_of_another_kind(
    address: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGRET_INDEX", address)
    monkeypatch.setenv("IMGRET_CONFIG", str(tmp_path / "config.toml"))
    done = imgret(*command)
    assert done.code == 2, done.err
    assert f"{address} is no address of an index" in done.err
    assert [path.name for path in tmp_path.iterdir() if path.name != "config.toml"] == []
