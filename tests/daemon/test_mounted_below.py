"""A disk mounted below a watched folder is removed and returns: nothing is deleted, and its photos are offline meanwhile."""

import json
import os
import subprocess
import time

import pytest
from waiting import until

from imgret import disks
from imgret.config import Settings
from imgret.store.factory import open_store
from imgret.sync import sync
from testbed.home import Home
from testbed.index_check import differences
from testbed.small_pngs import write_picture

PHOTOS = 12


def unmounted(folder):
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def bind(tmp_path):
    """Gives a function that mounts a folder elsewhere."""
    mounted = []

    def mount(behind, folder):
        ran = subprocess.run(["mount", "--bind", behind, folder], capture_output=True, text=True)
        if ran.returncode:
            pytest.skip(f"mounting needs root: {ran.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", folder], capture_output=True)


@pytest.fixture
def card(tmp_path):
    """What is on the card."""
    card = tmp_path / "what is on the card"
    (card / "DCIM").mkdir(parents=True)
    for number in range(PHOTOS):
        write_picture(card / "DCIM" / f"{number}.png", number)
    return card


@pytest.mark.must_run
@pytest.mark.parametrize("removed", [False, True], ids=["empty mount point", "mount point removed"])
def test_a_mount_below_a_watched_folder_is_removed_and_returns(tmp_path, card, bind, removed):
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    point = home.photos / "media" / "card"
    point.mkdir(parents=True)
    write_picture(home.photos / "here.png", 99)
    bind(card, point)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == PHOTOS + 1)
        daemon.wait_until_idle()
        for _ in range(2):
            unmounted(point)
            if removed:
                point.rmdir()
                point.parent.rmdir()
            until(lambda: offline(home) == PHOTOS)
            write_picture(home.photos / "here.png", int(time.monotonic() * 1000))
            until(lambda: all("not on the disk" in each for each in differences(home)))
            daemon.wait_until_idle()
            assert len(home.indexed()) == PHOTOS + 1
            assert offline(home) == PHOTOS
            assert found(home, "is:offline") == {False: PHOTOS}
            assert found(home, "is:online") == {True: 1}
            assert found(home, "is:offline in:card") == {False: PHOTOS}
            shown = json.loads(home.imgret("show", "--json", str(point / "DCIM/1.png")).stdout)
            assert (shown["state"], shown["online"]) == ("offline", False)
            assert os.fsdecode(point) in shown["reason"]
            point.mkdir(parents=True, exist_ok=True)
            bind(card, point)
            until(lambda: offline(home) == 0)
            assert differences(home) == []
            assert found(home, "is:online") == {True: PHOTOS + 1}
        (card / "DCIM/0.png").unlink()
        until(lambda: differences(home) == [])
    assert "Traceback" not in daemon.log(), daemon.log()


@pytest.mark.must_run
def test_another_card_is_read_as_soon_as_it_is_accepted(tmp_path, card, bind):
    (tmp_path / "h").mkdir()
    home = Home(folder=tmp_path / "h")
    point, other = home.photos / "card", tmp_path / "another card"
    point.mkdir()
    other.mkdir()
    write_picture(other / "other.png", 1000)
    bind(card, point)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == PHOTOS)
        daemon.wait_until_idle()
        unmounted(point)
        bind(other, point)
        until(lambda: offline(home) == PHOTOS)
        assert b"run `imgret add` to accept that" in home.imgret("status").stdout
        assert home.imgret("add", str(point)).returncode == 0
        until(lambda: differences(home) == [])
    assert "Traceback" not in daemon.log(), daemon.log()


def offline(home):
    return json.loads(home.imgret("status", "--json").stdout)["offline"]


def found(home, query):
    """How many hits are online, and how many are not."""
    lines = home.imgret("query", "--json", "-k", "100", query).stdout.splitlines()
    states = [json.loads(line)["online"] for line in lines]
    return {each: states.count(each) for each in set(states)}


@pytest.fixture
def library(tmp_path, card, bind):
    """An index of a folder with the card below it: index, root, mount point."""
    point = tmp_path / "photos" / "card"
    point.mkdir(parents=True)
    write_picture(tmp_path / "photos" / "here.png", 99)
    bind(card, point)
    with open_store(str(tmp_path / "index.db")) as store:
        root = store.roots.add(os.fsencode(tmp_path / "photos"))
        sync(store, Settings(), root)
        yield store, store.roots.all()[0], point


def test_one_that_vanishes_while_it_is_scanned_deletes_nothing(library):
    store, root, point = library
    seen = []

    def on_progress(count):
        seen.append(count)
        if len(seen) == 1:  # the root is listed, the card is not
            unmounted(point)

    outcome = sync(store, Settings(), root, on_progress=on_progress)
    assert outcome.gone == 0
    assert disks.offline_folders(store) == [os.fsencode(point)]
    assert not store.photos.find(os.fsencode(point / "DCIM/1.png")).online


@pytest.mark.must_run
def test_another_card_in_its_place_is_not_read_until_it_is_accepted(library, tmp_path, bind):
    store, root, point = library
    other = tmp_path / "another card"
    other.mkdir()
    write_picture(other / "other.png", 1000)
    unmounted(point)
    bind(other, point)
    assert sync(store, Settings(), root).gone == 0
    assert store.photos.find(os.fsencode(point / "other.png")) is None
    (mount,) = store.roots.mounts(root.id)
    assert "another disk" in mount.reason
    store.roots.accept_any_filesystem(os.fsencode(point))
    assert sync(store, Settings(), root).gone == PHOTOS
    assert store.photos.find(os.fsencode(point / "other.png")).online


@pytest.mark.must_run
def test_a_mount_without_photos_is_forgotten_when_it_is_removed(library, tmp_path, bind):
    store, root, _ = library
    empty, point = tmp_path / "empty", tmp_path / "photos" / "later"
    empty.mkdir()
    point.mkdir()
    bind(empty, point)
    sync(store, Settings(), root)
    assert {mount.folder for mount in store.roots.mounts(root.id)} == {b"card", b"later"}
    unmounted(point)
    write_picture(point / "real.png", 500)
    sync(store, Settings(), root)
    assert {mount.folder for mount in store.roots.mounts(root.id)} == {b"card"}
    assert store.photos.find(os.fsencode(point / "real.png")).online


def test_deletions_on_a_mounted_card_are_believed(library, card):
    store, root, _ = library
    (card / "DCIM/1.png").unlink()
    assert sync(store, Settings(), root).gone == 1


def test_a_root_that_is_away_stays_so_when_one_above_it_is_added(library, tmp_path):
    store, _root, point = library
    unmounted(point)
    inner = store.roots.add(os.fsencode(tmp_path / "inner"))
    store.roots.mark_online(inner.id, "loop:/elsewhere /")
    store.photos.save(
        inner.id,
        b"",
        b"x.png",
        store.photos.find(os.fsencode(tmp_path / "photos/here.png")).file_stat,
        b"x" * 32,
        1,
    )
    store.roots.mark_offline(inner.id, "it is away")
    above = store.roots.add(os.fsencode(tmp_path))
    assert {mount.folder for mount in store.roots.mounts(above.id)} == {b"photos/card", b"inner"}
    assert sync(store, Settings(), above).gone == 0
    assert not store.photos.find(os.fsencode(tmp_path / "inner/x.png")).online
    assert not store.photos.find(os.fsencode(point / "DCIM/1.png")).online
    assert store.photos.find(os.fsencode(tmp_path / "photos/here.png")).online
