"""Folders on a faulty disk: each fault affects one entry, file or folder only, and is reported."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from faulty_disk import faulty_disk
from waiting import until

from imgret import disk_calls
from imgret.config import Settings
from imgret.decode.hash_many import Hash, hash_many
from imgret.errors import PhotoError
from imgret.exclude import Exclude
from imgret.listing import Finding, FolderScan, RootOffline
from imgret.mounts import root_health, root_identity
from imgret.photo import FileStat, file_stat_of
from imgret.scan import scan
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.sync import sync

SILENCE = 2.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", SILENCE)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("a/1.jpg", "a/2.jpg", "b/3.jpg", "b/c/4.jpg", "5.jpg"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "source"


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as store:
        yield store


def shown(source: Path, mount: Path, **faults: object) -> object:
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    return faulty_disk(str(source), str(mount), **faults)


def names(store: Store) -> set[str]:
    """Return the names of the photos that were read."""
    rows = store.rows("SELECT folder, name FROM photo WHERE gone_at IS NULL AND content IS NOT NULL")
    return {os.fsdecode(os.path.join(folder, name)) for folder, name in rows}


ALL = {"a/1.jpg", "a/2.jpg", "b/3.jpg", "b/c/4.jpg", "5.jpg"}


@pytest.mark.must_run
def test_an_entry_with_an_error_does_not_affect_others(source: Path, mount: Path, store: Store) -> None:
    with shown(source, mount, eio_stat="1.jpg"):
        found = sync(store, Settings(), store.roots.add(os.fsencode(mount)))
    assert names(store) == ALL - {"a/1.jpg"}
    assert found.problems == [f"{mount}/a/1.jpg cannot be read: Input/output error"]
    assert found.folder_problems == {b"a": found.problems}


@pytest.mark.must_run
def test_a_known_photo_whose_entry_has_an_error_is_not_deleted(
    source: Path, mount: Path, store: Store
) -> None:
    with shown(source, mount):
        sync(store, Settings(), store.roots.add(os.fsencode(mount)))
    for name in ("1.jpg", "c"):  # a file, and a folder that may be a file
        with shown(source, mount, eio_stat=name):
            found = sync(store, Settings(), store.roots.add(os.fsencode(mount)))
        assert (found.gone, len(found.problems)) == (0, 1)
        assert names(store) == ALL


@pytest.mark.must_run
def test_an_unreadable_file_does_not_affect_others(source: Path, mount: Path, store: Store) -> None:
    with shown(source, mount, eio_read="1.jpg"):
        found = sync(store, Settings(), store.roots.add(os.fsencode(mount)))
        assert names(store) == ALL - {"a/1.jpg"}
        assert found.problems == [f"{mount}/a/1.jpg cannot be read: Input/output error"]
        assert [failure.error for failure in store.failures.all()] == found.problems


@pytest.mark.must_run
@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        ({"hang_read": "1.jpg"}, {"a/1.jpg"}),
        ({"hang_list": "a"}, {"a/1.jpg", "a/2.jpg"}),
        ({"hang_stat": "1.jpg"}, {"a/1.jpg", "a/2.jpg"}),
        ({"hang_stat": "b"}, {"b/3.jpg", "b/c/4.jpg"}),
    ],
)
def test_a_blocking_call_affects_one_file_or_folder(
    source: Path, mount: Path, store: Store, fault: dict[str, str], lost: set[str]
) -> None:
    with shown(source, mount):  # records the identity of the root
        root = store.roots.add(os.fsencode(mount))
        store.roots.mark_online(root.id, root_identity(root.path))
    with shown(source, mount, **fault):
        root = store.roots.add(os.fsencode(mount))
        for seconds in (15.0, 0.9 * SILENCE):  # does not wait again for a stuck call
            began = time.monotonic()
            found = sync(store, Settings(), root)
            assert time.monotonic() - began < seconds
            assert names(store) == ALL - lost
            assert (found.gone, found.offline) == (0, None)
    problems = [failure.error for failure in store.failures.all()] + found.problems
    assert problems
    assert all("its disk does not respond" in problem for problem in problems)


@pytest.mark.must_run
def test_a_root_that_blocks_is_offline_and_nothing_is_deleted(
    source: Path, mount: Path, store: Store
) -> None:
    with shown(source, mount):
        sync(store, Settings(), store.roots.add(os.fsencode(mount)))
    with shown(source, mount, hang_list="source"):
        found = sync(store, Settings(), store.roots.add(os.fsencode(mount)))
        assert "its disk does not respond" in str(found.offline)
        assert not root_health(os.fsencode(mount)).online
        with pytest.raises(RootOffline, match="does not respond"):
            list(scan(os.fsencode(mount), lambda _: {}, Exclude()))
        assert disk_calls.silent_disks() == [os.fsencode(mount)]
    assert names(store) == ALL
    until(lambda: not disk_calls.silent_disks())


@pytest.mark.must_run
def test_inode_numbers_and_times_of_64_bits(source: Path, mount: Path, store: Store) -> None:
    os.utime(source / "5.jpg", ns=(0, 2**63 + 12345))  # the year 2262
    os.utime(source / "a/1.jpg", ns=(0, -(10**18)))  # before 1970
    time.sleep(2.1)
    with shown(source, mount, high_inodes=True):
        assert os.stat(mount / "5.jpg").st_ino >= 2**63
        root = store.roots.add(os.fsencode(mount))
        sync(store, Settings(), root)
        assert names(store) == ALL
        photo = store.photos.find(os.fsencode(mount / "5.jpg"))
        assert photo is not None
        assert photo.content is not None
        scans = scan(os.fsencode(mount), lambda folder: store.photos.known(root.id, folder), Exclude())
        assert [each.findings for each in scans] == [(), (), (), ()]


# Hashing


def found_in(root: Path) -> Iterator[FolderScan]:
    return scan(os.fsencode(root), lambda _: {}, Exclude())


class File:
    """The attributes of a file that hashing uses, as passed by `sync`."""

    def __init__(self, folder: bytes, finding: Finding) -> None:
        assert finding.file_stat is not None
        self.folder, self.name, self.file_stat = folder, finding.name, finding.file_stat


def files(root: Path) -> list[File]:
    return [File(each.folder, finding) for each in found_in(root) for finding in each.findings]


def hashes(root: Path, wanted: list[File], size: int = 256) -> dict[bytes, Hash | PhotoError]:
    found: dict[bytes, Hash | PhotoError] = {}
    for some, read_as in hash_many(os.fsencode(root), iter(wanted), size, lambda: False):
        found |= {os.path.join(each.folder, each.name): one for each, one in zip(some, read_as, strict=True)}
    return found


@pytest.mark.parametrize("size", [1, 2, 256])
def test_every_file_is_hashed_once(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").mkdir()
    contents = {b"f/%d.jpg" % number: os.urandom(number * 1000) for number in range(1, 40)}
    for name, data in contents.items():
        (tmp_path / os.fsdecode(name)).write_bytes(data)
    found = {name: outcome.digest for name, outcome in hashes(tmp_path, files(tmp_path), size).items()}
    assert found == {name: blake3(data).digest() for name, data in contents.items()}


def test_a_folder_replaced_by_a_symlink_before_hashing_is_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "a").mkdir(parents=True)
    outside.mkdir()
    for folder in (inside / "a", outside):
        (folder / "1.jpg").write_bytes(b"private" if folder is outside else b"mine")
        (folder / "2.jpg").symlink_to(outside / "1.jpg")
    wanted = files(inside)
    os.rename(inside / "a", tmp_path / "away")
    (inside / "a").symlink_to(outside)
    private = FileStat(*file_stat_of(os.stat(outside / "1.jpg")))
    for each in wanted:
        each.file_stat = private  # even if the scan had seen this file
    (outcome,) = hashes(inside, wanted).values()
    assert "no longer there" in str(outcome)


def test_huge_files_and_large_files_that_are_not_images_are_not_read(tmp_path: Path) -> None:
    for name, head, size in (
        ("disk.raw", b"", 2 << 40),
        ("vm.raw", b"", 100 << 20),
        ("large.raw", b"II*\0", 100 << 20),
        ("small.raw", b"", 1000),
    ):
        with (tmp_path / name).open("wb") as file:
            file.write(head)
            file.truncate(size)
    outcome = hashes(tmp_path, files(tmp_path))
    assert "larger than 4 GiB" in str(outcome[b"disk.raw"])
    assert "match no image format" in str(outcome[b"vm.raw"])
    assert isinstance(outcome[b"large.raw"], Hash)
    assert isinstance(outcome[b"small.raw"], Hash)  # rejected later, by the decoder


@pytest.mark.must_run
def test_hashed_files_do_not_wait_for_a_slow_file(
    source: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long the other files take on a busy machine, the one that hangs is not given up before they are read.
    monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", 3600.0)
    with shown(source, mount, hang_read="1.jpg"):
        wanted = [each for each in files(mount) if each.name == b"1.jpg"]
        others = [each for each in files(mount) if each.name != b"1.jpg"]
        rounds = hash_many(os.fsencode(mount), iter(wanted + others), 2, lambda: False)
        first: list[bytes] = []
        while len(first) < len(others):
            some, read_as = next(rounds)
            assert [one for one in read_as if not isinstance(one, Hash)] == []
            first += [each.name for each in some]
        monkeypatch.setattr(disk_calls, "SILENCE_SECONDS", SILENCE)
        ((last,), (outcome,)) = next(rounds)
        assert last.name == b"1.jpg"
        assert "does not respond" in str(outcome)


@pytest.mark.must_run
def test_hashing_stops_on_request(source: Path, mount: Path) -> None:
    with shown(source, mount, hang_read="1.jpg"):
        wanted = [each for each in files(mount) if each.name == b"1.jpg"]
        end = time.monotonic() + 0.3
        stopped = hash_many(os.fsencode(mount), iter(wanted), 256, lambda: time.monotonic() > end)
        assert list(stopped) == []
        assert time.monotonic() < end + SILENCE
