"""`imgret add` and `remove` change the configuration as its owner would."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.cli.config_file import change_folders
from imgret.config import load, parse
from imgret.errors import ConfigError


def test_a_link_stays_a_link_and_the_file_behind_it_keeps_its_mode(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "imgret.toml"
    real.parent.mkdir()
    real.write_text("# mine\nhidden = true  # even these\n[embed]\nweights = 'none'\n")
    real.chmod(0o640)
    link = tmp_path / "config.toml"
    link.symlink_to("dotfiles/imgret.toml")
    change_folders(str(link), add=["~/Pictures"])
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert load(str(link)).folders == ("~/Pictures",)
    assert "# mine\nhidden = true  # even these\n[embed]\nweights = 'none'\n" in real.read_text()
    assert sorted(os.listdir(real.parent)) == ["imgret.toml"]


def test_a_link_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    link = tmp_path / "config.toml"
    link.symlink_to("later.toml")
    change_folders(str(link), add=["/a"])
    assert link.is_symlink()
    assert load(str(tmp_path / "later.toml")).folders == ("/a",)
    assert stat.S_IMODE((tmp_path / "later.toml").stat().st_mode) == 0o600


def test_a_file_in_our_own_place_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("hidden = true\n")
    path.chmod(0o644)
    change_folders(str(path), add=["/a"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_comments_inside_the_list_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('folders = [\n  "/a", # the first\n  "/b",\n  # about c\n  "/c",\n]\nhidden = true\n')
    change_folders(str(path), add=["/d"], remove=["/b"])
    text = path.read_text()
    assert parse(text).folders == ("/a", "/c", "/d")
    assert "# the first" in text
    assert "# about c" in text


def test_a_failed_write_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    loop = tmp_path / "config.toml"
    loop.symlink_to(loop)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be"):
        change_folders(str(loop), add=["/a"])
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        change_folders(str(path), add=["/a"])
    assert sorted(os.listdir(tmp_path)) == ["bad.toml", "config.toml"]


def test_commands_at_once_all_take_effect(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    code = "import sys; from imgret.cli.config_file import change_folders as c; c(sys.argv[1], add=[sys.argv[2]])"
    running = [subprocess.Popen([sys.executable, "-c", code, path, f"/{n}"]) for n in range(6)]
    assert [each.wait(60) for each in running] == [0] * 6
    assert sorted(load(str(path)).folders) == [f"/{n}" for n in range(6)]


names = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), max_size=4
)


@settings(deadline=None)
@given(names, names, names)
def test_any_names_go_in_and_out(before: list[str], add: list[str], remove: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config.toml")
        change_folders(path, add=before)
        change_folders(path, add=add, remove=remove)
        expected = [each for each in dict.fromkeys(before) if each not in remove] if before else []
        expected += [each for each in dict.fromkeys(add) if each not in expected]
        assert list(load(path).folders) == expected
