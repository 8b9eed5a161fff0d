"""`imgret add FOLDER --same-as PATH`: the index follows a folder to another path, and keeps the results of the photos."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.home import Home
from testbed.small_pngs import write_picture


def test_a_folder_at_another_path_keeps_its_photos(tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    write_picture(home.photos / "beach.png", 1)
    assert home.imgret("index").returncode == 0
    elsewhere = tmp_path / "elsewhere"
    home.photos.rename(elsewhere)
    moved = home.imgret("add", str(elsewhere), "--same-as", str(home.photos))
    assert moved.returncode == 0, moved.stderr
    assert home.imgret("index").returncode == 0
    status = json.loads(home.imgret("status", "--json").stdout)
    assert [(each["path"], each["online"]) for each in status["folders"]] == [(str(elsewhere), True)]
    assert (status["photos"], status["offline"], status["hosts"]) == (1, 0, [])
    assert home.imgret("folders").stdout.decode().split() == [str(elsewhere)]
    with home.index() as store:
        assert store.row("SELECT count(*), max(gone_at) FROM photo") == (
            1,
            None,
        )  # the same row, no tombstone


def test_what_cannot_be_the_same_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    assert home.imgret("index").returncode == 0
    other = tmp_path / "other"
    other.mkdir()
    for arguments, message in (
        ([str(other), "--same-as", "/nowhere"], b"the index has no folder /nowhere"),
        ([str(other), str(home.photos), "--same-as", str(home.photos)], b"--same-as is about one folder"),
        ([str(other), "--separate"], b"an index in a file has the folders of one host"),
    ):
        refused = home.imgret("add", *arguments)
        assert refused.returncode == 2, refused.stderr
        assert message in refused.stderr
    assert home.imgret("folders").stdout.decode().split() == [str(home.photos)]
