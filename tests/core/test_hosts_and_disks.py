"""Hosts that describe one library see different disks: what one lacks is neither offline nor deleted for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from postgres_server import PostgresServer

from imgret.disks import offline_below, offline_folders
from imgret.mounts import root_identity
from imgret.photo import FileStat
from imgret.store.clauses import Clause, Online
from imgret.store.factory import open_store
from imgret.store.interface import Store

NOW = 1_700_000_000
Host = Callable[[str], Store]


@pytest.fixture
def host(postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Opens one library as on the host of this name."""
    place = postgres_server.new_library()
    with ExitStack() as opened:

        def open_on(name: str) -> Store:
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "homes" / name))
            return opened.enter_context(open_store(place))

        yield open_on
    postgres_server.remove_library(place)


def put(store: Store, root: int, name: bytes, folder: bytes = b"") -> int:
    """Save a photo that waits for a stage. -> its content"""
    hash_ = name.ljust(32, b"-")
    content = store.photos.save(root, folder, name, FileStat(1, 2, 3, 4), hash_, NOW)[0]
    store.work.queue(content, ["caption"])
    return content


def online(store: Store) -> list[int]:
    return store.filters.matching([Clause(Online(online=True))]).tolist()  # type: ignore[no-any-return]


def roots(store: Store) -> list[tuple[bool, str | None, str | None]]:
    return [(root.online, root.filesystem, root.reason) for root in store.roots.all()]


def test_a_folder_that_one_host_does_not_see_is_offline_for_it_alone(host: Host, tmp_path: Path) -> None:
    photos, away = tmp_path / "photos", tmp_path / "elsewhere"
    photos.mkdir()
    (photos / "a.jpg").touch()
    one, other, reader = host("one"), host("other"), host("reader")
    root = one.roots.add(bytes(photos)).id
    content = put(one, root, b"a.jpg")
    one.roots.mark_online(root, root_identity(bytes(photos)))

    photos.rename(away)  # as on a host that has not mounted it
    assert offline_folders(other) == [bytes(photos)]
    assert online(other) == other.work.claim(["caption"], 9, NOW) == []
    assert other.summary.totals().offline == 1
    away.rename(photos)

    for store in (one, reader):
        assert online(store) == [content]
        assert store.roots.all()[0].online
        assert store.summary.totals().offline == 0
    assert [claim.content for claim in one.work.claim(["caption"], 9, NOW)] == [content]
    other.roots.mark_online(root, root_identity(bytes(photos)))
    assert online(other) == [content]


def test_a_host_uses_the_disks_of_others_until_it_accepts_another(host: Host) -> None:
    one, other = host("one"), host("other")
    root = one.roots.add(b"/p").id
    one.roots.mark_online(root, "nfs:server")
    one.roots.mark_mounted(root, b"disk", "ext4:1")
    put(one, root, b"a.jpg", b"disk")
    seen = [(mount.folder, mount.filesystem, mount.reason) for mount in other.roots.mounts(root)]
    assert seen == [(b"disk", "ext4:1", None)]
    assert offline_below(other, other.roots.all()[0]) == [b"disk"]
    assert online(other) == []
    assert [mount.reason for mount in one.roots.mounts(root)] == [None]
    assert online(one) != []

    other.roots.accept_any_filesystem(b"/p")
    assert roots(other) == [(True, None, None)]
    assert other.roots.mounts(root) == []
    assert roots(one) == [(True, "nfs:server", None)]
    assert [mount.folder for mount in one.roots.mounts(root)] == [b"disk"]


def test_what_is_away_for_one_host_stays_away_when_another_adds_the_folder_above(host: Host) -> None:
    one, other = host("one"), host("other")
    root = one.roots.add(b"/p/disk").id
    put(one, root, b"a.jpg")
    for store in (one, other):
        store.roots.mark_online(root, "ext4:1")
    other.roots.mark_offline(root, "it is not mounted")
    above = one.roots.add(b"/p")
    assert offline_below(other, above) == [b"disk"]
    assert online(other) == []
    assert online(one) != []


def test_a_root_of_another_host_is_recognised_by_its_disk(host: Host) -> None:
    one, other = host("one"), host("other")
    root = one.roots.add(b"/mnt/a", filesystem="nfs4:server:/photos /")
    content = put(one, root.id, b"a.jpg", b"folder")
    assert [each.path for each in other.roots.all()] == [b"/mnt/a"]
    assert not other.roots.all()[0].here
    assert other.work.claim(["caption"], 9, NOW) == []  # it has not looked
    found = other.roots.add(b"/mnt/b", watched=True, filesystem="nfs4:server:/photos /")
    assert (found.id, found.path, found.here, found.watched) == (root.id, b"/mnt/b", True, True)
    assert [each.path for each in one.roots.all()] == [b"/mnt/a"]
    assert [each.path for each in other.photos.paths(content)] == [b"/mnt/b/folder/a.jpg"]
    assert other.photos.find(b"/mnt/b/folder/a.jpg") is not None
    assert other.photos.find(b"/mnt/a/folder/a.jpg") is None
    assert not one.roots.all()[0].watched
    assert [claim.path for claim in other.work.claim(["caption"], 9, NOW)] == [b"/mnt/b/folder/a.jpg"]


def test_hosts_may_have_other_folders_at_one_path(host: Host) -> None:
    one, other = host("one"), host("other")
    root = one.roots.add(b"/home/anna/Pictures", filesystem="ext4:1 /home/anna/Pictures")
    put(one, root.id, b"a.jpg")
    doubtful = other.roots.add(b"/home/anna/Pictures", filesystem="ext4:2 /home/anna/Pictures")
    assert (doubtful.id, doubtful.filesystem) == (
        root.id,
        "ext4:1 /home/anna/Pictures",
    )  # the scan finds it offline
    own = other.roots.add(b"/home/anna/Pictures", separate=True)
    assert own.id != root.id
    put(other, own.id, b"b.jpg")
    shown = {each.id: each.path for each in other.roots.all()}
    assert shown[own.id] == b"/home/anna/Pictures"
    assert shown[root.id].endswith(b"/home/anna/Pictures")
    assert shown[root.id].startswith(b"//")
    assert other.photos.find(b"/home/anna/Pictures/b.jpg") is not None
    assert other.photos.find(b"/home/anna/Pictures/a.jpg") is None
    assert one.photos.find(b"/home/anna/Pictures/a.jpg") is not None
    assert one.photos.find(b"/home/anna/Pictures/b.jpg") is None


def test_a_folder_that_is_separate_already_stays_the_same_root(host: Host) -> None:
    one, other = host("one"), host("other")
    one.roots.add(b"/photos", filesystem="ext4:1 /photos")
    own = other.roots.add(b"/photos", separate=True, filesystem="ext4:2 /photos")
    one.roots.mark_offline(own.id, "it is not here")  # as when a host looks at what it does not have
    again = other.roots.add(b"/photos", separate=True, filesystem="ext4:2 /photos")
    assert again.id == own.id
    assert len(other.roots.all()) == 2


def test_each_folder_that_a_host_has_no_more_gets_a_name_of_its_own(host: Host) -> None:
    hosts = [host(name) for name in ("one", "two", "three")]
    mine = hosts[0]
    known = []
    for number in range(3):  # others share the folder that was separate, so the next one is
        known.append(mine.roots.add(b"/photos", separate=True, filesystem=f"ext4:{number} /photos").id)
        hosts[1].roots.move(known[-1], b"/elsewhere/%d" % number)
    shown = {each.id: each for each in mine.roots.all()}
    assert len(set(known)) == 3
    names = [shown[root].path for root in known]
    assert names[2] == b"/photos"
    assert len(set(names)) == 3
    for name in names[:2]:
        assert name.startswith(b"//")
        assert name.endswith(b"/photos")
    # Whoever looks at them in turn keeps them apart, too.
    hosts[2].roots.add(b"/photos", separate=True)
    for root in known:
        hosts[2].roots.mark_offline(root, "it is not here")
    seen = [each.path for each in hosts[2].roots.all()]
    assert len(set(seen)) == 4
    assert all(path.count(b"//") == (path != b"/photos") for path in seen)


def test_a_root_is_where_the_user_put_it(host: Host) -> None:
    one, other = host("one"), host("other")
    root = one.roots.add(b"/srv/photos", filesystem="ext4:1 /srv/photos")
    put(one, root.id, b"a.jpg")
    other.roots.mark_offline(root.id, "/srv/photos cannot be read")
    other.roots.move(root.id, b"/mnt/photos")
    assert roots(other) == [(True, None, None)]
    assert other.photos.find(b"/mnt/photos/a.jpg") is not None
    assert roots(one) == [(True, "ext4:1 /srv/photos", None)]


def test_one_host_scans_a_root_at_a_time(host: Host) -> None:
    one, other = host("one"), host("other")
    first, second = one.roots.add(b"/a").id, one.roots.add(b"/b").id
    with one.roots.scanning(first) as ours:
        assert ours
        with other.roots.scanning(first) as theirs:
            assert not theirs
        with other.roots.scanning(second) as theirs:
            assert theirs
    with other.roots.scanning(first) as theirs:
        assert theirs


def test_each_host_has_its_own_models(host: Host) -> None:
    one = host("one")
    one.remember("models", "caption=a;colour=b;3")
    one.workers.report("describing", "cuda:0", 2.5)
    other = host("other")
    other.workers.report("idle", "cpu", 0)
    assert other.setting("models") is None
    assert other.workers.stages_elsewhere() == {"caption", "colour"}
    assert one.workers.stages_elsewhere() == set()
    listed = {(each.state, each.devices, each.rate, each.own) for each in other.workers.all()}
    assert listed == {("idle", "cpu", 0.0, True), ("describing", "cuda:0", 2.5, False)}
    before = one.change_token()
    other.workers.report("idle", "cpu", 0)
    assert one.change_token() == before  # a sign of life is no change of the library
