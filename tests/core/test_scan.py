"""Scans of real folders after all kinds of changes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgret.exclude import Exclude
from imgret.listing import Change, FolderScan, RootOffline
from imgret.photo import FileStat
from imgret.scan import scan

LATER = time.time_ns() + 3600 * 10**9  # in an hour, when no file of these tests counts as just modified
Known = dict[bytes, dict[bytes, FileStat]]


class Library:
    """A folder, and the rows that the index would have of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known: Known = {}

    def write(self, *names: str | bytes, data: bytes = b"photo") -> None:
        for name in names:
            path = os.path.join(os.fsencode(self.root), os.fsencode(name))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)

    def look(
        self,
        rules: Exclude | None = None,
        *,
        folders: Iterable[bytes] = (b"",),
        recursive: bool = True,
        known_folders: Collection[bytes] | None = None,
    ) -> list[FolderScan]:
        nothing: Mapping[bytes, FileStat] = {}
        return list(
            scan(
                os.fsencode(self.root),
                lambda folder: self.known.get(folder, nothing),
                rules or Exclude(),
                folders=folders,
                recursive=recursive,
                known_folders=self.known.keys() if known_folders is None else known_folders,
                now_ns=LATER,
            )
        )

    def remember(self, scans: Iterable[FolderScan]) -> None:
        for found in scans:
            here = self.known.setdefault(found.folder, {})
            for one in found.findings:
                if one.file_stat is None:
                    here.pop(one.name)
                else:
                    f = one.file_stat
                    here[one.name] = (f.size, f.mtime_ns, f.ctime_ns, f.inode)
            if not here:
                del self.known[found.folder]


def changes(scans: Iterable[FolderScan]) -> dict[bytes, str]:
    return {os.path.join(s.folder, f.name): f.change.value for s in scans for f in s.findings}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    root = tmp_path / "photos"
    root.mkdir()
    return Library(root)


def test_new_unchanged_modified_missing_and_moved_files(library: Library) -> None:
    library.write("a.jpg", "b/c.jpg", "b/d/e.jpg", "b/d/f.PNG")
    first = library.look()
    assert changes(first) == dict.fromkeys([b"a.jpg", b"b/c.jpg", b"b/d/e.jpg", b"b/d/f.PNG"], "new")
    assert [s.folder for s in first] == [b"", b"b", b"b/d"]
    assert [s.photos for s in first] == [1, 1, 2]
    status = os.stat(library.root / "a.jpg")
    assert first[0].findings[0].file_stat == FileStat(
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    )
    library.remember(first)
    assert changes(library.look()) == {}
    library.write("a.jpg", data=b"edited")
    os.rename(library.root / "b/d/e.jpg", library.root / "g.jpg")
    (library.root / "b/c.jpg").unlink()
    missing = dict.fromkeys([b"b/d/e.jpg", b"b/c.jpg"], "missing")
    assert changes(library.look()) == {b"a.jpg": "suspect", b"g.jpg": "new", **missing}


def test_a_file_just_written_is_racy(library: Library) -> None:
    library.write("a.jpg")
    (found,) = scan(os.fsencode(library.root), lambda _: {}, Exclude())
    assert [one.change for one in found.findings] == [Change.RACY]


def test_a_removed_folder_is_reported_last_with_everything_below(library: Library) -> None:
    library.write("a.jpg", "b/c.jpg", "b/d/e.jpg", "f/g.jpg")
    library.remember(library.look())
    shutil.rmtree(library.root / "b")
    library.write("z/new.jpg")
    found = library.look()
    assert changes(found) == {b"z/new.jpg": "new", b"b/c.jpg": "missing", b"b/d/e.jpg": "missing"}
    assert [s.folder for s in found[-2:]] == [b"b", b"b/d"]
    library.remember(found)
    assert changes(library.look()) == {}


def test_a_folder_that_became_a_file_and_a_file_that_became_a_folder(library: Library) -> None:
    library.write("a.jpg", "b.jpg/c.jpg")
    library.remember(library.look())
    os.unlink(library.root / "a.jpg")
    shutil.rmtree(library.root / "b.jpg")
    library.write("a.jpg/x.jpg", "b.jpg")
    missing = dict.fromkeys([b"a.jpg", b"b.jpg/c.jpg"], "missing")
    assert changes(library.look()) == {b"b.jpg": "new", b"a.jpg/x.jpg": "new", **missing}


def test_scan_of_single_folders(library: Library) -> None:
    library.write("a.jpg", "b/c.jpg", "b/d/e.jpg", "f/g.jpg")
    library.remember(library.look())
    library.write("b/new.jpg", "f/new.jpg", "b/d/new.jpg")
    dirty = library.look(folders=[b"b"], recursive=False)
    assert [s.folder for s in dirty] == [b"b"]
    assert dirty[0].subfolders == (b"d",)
    assert changes(dirty) == {b"b/new.jpg": "new"}
    assert changes(library.look(folders=[b"b", b"b/d", b"b"])) == {b"b/new.jpg": "new", b"b/d/new.jpg": "new"}
    shutil.rmtree(library.root / "b/d")
    found = library.look(folders=[b"b"], recursive=False)
    assert changes(found) == {b"b/new.jpg": "new", b"b/d/e.jpg": "missing"}
    shutil.rmtree(library.root / "b")
    for known_folders in (None, ()):  # a folder given by name is reported as missing in any case
        found = library.look(folders=[b"b"], recursive=False, known_folders=known_folders)
        assert changes(found)[b"b/c.jpg"] == "missing"
    assert changes(library.look(folders=[b"b"])) == {b"b/c.jpg": "missing", b"b/d/e.jpg": "missing"}


def test_symlinks_are_not_followed_so_loops_are_impossible(library: Library, tmp_path: Path) -> None:
    library.write("a/b.jpg")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private.jpg").write_bytes(b"x")
    (library.root / "a/loop").symlink_to(library.root)
    (library.root / "a/away").symlink_to(outside)
    (library.root / "a/link.jpg").symlink_to("b.jpg")
    (library.root / "a/self.jpg").symlink_to("self.jpg")
    assert changes(library.look()) == {b"a/b.jpg": "new"}
    assert changes(library.look(folders=[b"a/away", b"a/loop/a"])) == {}
    library.remember(library.look())
    os.rename(library.root / "a", tmp_path / "elsewhere")
    (library.root / "a").symlink_to(tmp_path / "elsewhere")
    assert changes(library.look(folders=[b"a"])) == {b"a/b.jpg": "missing"}


def test_the_watched_folder_itself_may_be_a_symlink(library: Library, tmp_path: Path) -> None:
    library.write("a.jpg")
    link = tmp_path / "link"
    link.symlink_to(library.root)
    assert [len(s.findings) for s in scan(os.fsencode(link), lambda _: {}, Exclude())] == [1]


def test_only_regular_files_with_an_image_extension(library: Library) -> None:
    library.write("a.jpg", "a.txt", "noextension", ".hidden.jpg", ".git/a.jpg", "x/.nomedia")
    os.mkfifo(library.root / "fifo.jpg")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(library.root / "socket.jpg"))
    assert changes(library.look()) == {b"a.jpg": "new"}
    hidden = library.look(Exclude(hidden=True))
    assert changes(hidden) == dict.fromkeys([b"a.jpg", b".hidden.jpg", b".git/a.jpg"], "new")
    listening.close()


def test_files_excluded_later_are_missing(library: Library) -> None:
    library.write("a.jpg", "Trash/b.jpg", "c.tmp.jpg")
    library.remember(library.look())
    rules = Exclude(["Trash/", "*.tmp.jpg"])
    assert changes(library.look(rules)) == {b"c.tmp.jpg": "missing", b"Trash/b.jpg": "missing"}
    assert changes(library.look(rules, folders=[b"Trash"])) == {b"Trash/b.jpg": "missing"}


def test_names_may_contain_any_bytes(library: Library) -> None:
    names = [b"new\nline.jpg", b"\x1b[31m.jpg", b"\xff\xfe.jpg", b"d\xff/ .jpg", "漢字.jpg".encode()]
    library.write(*names)
    found = library.look()
    assert changes(found) == dict.fromkeys(names, "new")
    library.remember(found)
    assert changes(library.look(Exclude(["*.tmp"]))) == {}


@pytest.mark.parametrize("vanish", [shutil.rmtree, lambda path: (shutil.rmtree(path), path.write_text(""))])
def test_a_root_that_is_missing_is_offline(library: Library, vanish: Callable[[Path], object]) -> None:
    library.write("a.jpg")
    library.remember(library.look())
    vanish(library.root)
    with pytest.raises(RootOffline):
        library.look()


def test_a_root_that_disappears_during_a_scan_deletes_nothing(library: Library, tmp_path: Path) -> None:
    library.write("a.jpg", "b/c.jpg", "d/e.jpg")
    library.remember(library.look())
    running = scan(
        os.fsencode(library.root), lambda f: library.known.get(f, {}), Exclude(), known_folders=[b"b", b"d"]
    )
    assert next(running).folder == b""
    os.rename(library.root, tmp_path / "unplugged")
    library.root.mkdir()  # the empty mount point
    with pytest.raises(RootOffline, match="replaced by another folder during the scan"):
        list(running)


def test_an_unreadable_folder_is_a_problem_and_nothing_in_it_is_missing(library: Library) -> None:
    """Runs in a process without CAP_DAC_OVERRIDE, because root may read everything."""
    library.write("a.jpg", "locked/b.jpg", "locked/c/d.jpg", "listed/e.jpg")
    library.remember(library.look())
    (library.root / "locked").chmod(0o000)
    (library.root / "listed").chmod(0o444)  # names can be listed, but files cannot be read
    program = (
        "import os, sys\n"
        "from imgret.exclude import Exclude\n"
        "from imgret.scan import scan\n"
        "stamp = (0, 0, 0, 0)\n"
        "known = {b'locked': {b'b.jpg': stamp}, b'locked/c': {b'd.jpg': stamp}, b'listed': {b'e.jpg': stamp}}\n"
        "for s in scan(os.fsencode(sys.argv[1]), lambda f: known.get(f, {}), Exclude(), known_folders=known):\n"
        "    print(s.folder, [(f.name, f.change.value) for f in s.findings], s.problem)\n"
    )
    command = [sys.executable, "-c", program, str(library.root)]
    if os.geteuid() == 0:
        dropped = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}", *command]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    finally:
        (library.root / "locked").chmod(0o700)
        (library.root / "listed").chmod(0o700)
    denied = "cannot be listed: Permission denied"
    assert found[0].startswith("b'' [(b'a.jpg',")
    assert found[1:] == [
        f"b'listed' [] {library.root}/listed {denied}",
        f"b'locked' [] {library.root}/locked {denied}",
    ]


steps = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "move", "rmtree"]),
        st.sampled_from(["a.jpg", "d/a.jpg", "d/b.jpg", "d/e/c.jpg", "f/a.jpg", "f/x.txt"]),
        st.sampled_from(["z.jpg", "d/y.jpg", "g/h/a.jpg"]),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(steps, steps)
def test_after_any_history_the_index_equals_the_disk(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str, str, str]],
    after: list[tuple[str, str, str]],
) -> None:
    library = Library(tmp_path_factory.mktemp("library"))
    for history in (before, after):
        for step, one, other in history:
            source, target = library.root / one, library.root / other
            if step == "write":
                library.write(one)
            elif step == "rmtree":
                shutil.rmtree(
                    source.parent if source.parent != library.root else target.parent, ignore_errors=True
                )
                library.root.mkdir(exist_ok=True)
            elif source.exists() and step == "delete":
                source.unlink()
            elif source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
        library.remember(library.look())
        disk = {
            (os.fsencode(p.parent.relative_to(library.root)).removeprefix(b"."), os.fsencode(p.name))
            for p in library.root.rglob("*.jpg")
        }
        assert {(folder, name) for folder, names in library.known.items() for name in names} == disk
        assert changes(library.look()) == {}
