"""The index is moved, copied over or removed under a running daemon: it reports it and continues with the new file."""

from __future__ import annotations

import os
import shutil

import pytest
from waiting import until

from imgret.store.sqlite import identity
from imgret.store.sqlite.backup import backup
from testbed.home import WORDLLAMA, Home
from testbed.small_pngs import write_picture


@pytest.mark.parametrize("how", ["moved", "copied over", "removed"])
def test_the_daemon_continues_with_the_new_file(tmp_path, how):
    home = Home(WORDLLAMA, folder=tmp_path)
    write_picture(home.photos / "1.png", 1)
    with home.daemon() as daemon:
        daemon.wait_until_idle()
        with home.index() as store:
            path = store.path
            photo = store.photos.find(os.fsencode(home.photos / "1.png"))
            store.results.write_note(photo.content, "in the backup")
            backup(store.db, str(tmp_path / "copy.db"))
            store.results.write_note(photo.content, "after the backup")
        if how == "moved":
            os.replace(tmp_path / "copy.db", path)
        elif how == "copied over":
            shutil.copyfile(tmp_path / "copy.db", path)
        else:
            for side in ("", "-wal", "-shm"):
                if os.path.exists(path + side):
                    os.unlink(path + side)
        until(lambda: "the daemon restarts" in daemon.log())
        write_picture(home.photos / "2.png", 2)

        def described() -> bool:
            if not os.path.exists(path):
                return False
            with home.index() as store:
                found = store.photos.find(os.fsencode(home.photos / "2.png"))
                return found is not None and identity.KEY in dict(store.rows("SELECT * FROM setting"))

        until(described)
        daemon.wait_until_idle()
        with home.index() as store:
            assert store.problems() == []
            photo = store.photos.find(os.fsencode(home.photos / "1.png"))
            assert store.results.note(photo.content) == (None if how == "removed" else "in the backup")
    assert "Traceback" not in daemon.log()
