"""Built-in patterns and `.nomedia`, applied before and after the files were indexed, and the count of skipped files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from faulty_disk import faulty_disk
from hypothesis import given
from hypothesis import strategies as st

from imgret.config import Settings
from imgret.decode.too_large import is_too_large, too_many_bytes, too_many_pixels, too_much_memory
from imgret.errors import PhotoError
from imgret.exclude import DEFAULTS, Exclude
from imgret.intake import SyncResult
from imgret.photo import FileStat
from imgret.photo_state import EXCLUDED, PENDING, photo_state
from imgret.scan import scan
from imgret.skipped import skipped, why_not_entered
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.sync import add_root, sync

DEBRIS = [
    "@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_XL.jpg",
    "a/@eaDir/x.jpg",
    "#recycle/deleted.jpg",
    "#snapshot/GMT+01-2024/old.jpg",
    "@Recycle/x.jpg",
    "$RECYCLE.BIN/S-1-5-21/$RABC.jpg",
    "System Volume Information/y.jpg",
    "lost+found/x.jpg",
    ".thumbnails/large/0123.png",
    ".Trash-1000/files/z.jpg",
    ".snapshots/1/snapshot/s.jpg",
    ".stversions/v.jpg",
    "._IMG_1.jpg",
    "a/.trashed-1700000000-IMG_2.jpg",
    "a/.pending-1700000000-IMG_3.jpg",
]
ORDINARY = [
    "a.jpg",
    "eaDir/a.jpg",
    "recycle/a.jpg",
    "a/#1.jpg",
    "lost/a.jpg",
    "trashed-1.jpg",
    "a/_b.jpg",
    "@home/a.jpg",
]


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"bytes of {name}".encode())


def found(root: Path, rules: Exclude, folders: Sequence[bytes] = (b"",)) -> set[str]:
    scans = scan(os.fsencode(root), lambda _: {}, rules, folders=folders)
    return {os.fsdecode(os.path.join(s.folder, f.name)) for s in scans for f in s.findings}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "Pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "index.db"))


def synced(
    store: Store, root: Path, *, patterns: tuple[str, ...] = (), hidden: bool = False, **how: object
) -> SyncResult:
    known, _ = add_root(store, os.fsencode(root))
    return sync(store, Settings(exclude=patterns, hidden=hidden), known, **how)  # type: ignore[arg-type]


def living(store: Store, root: Path) -> set[str]:
    return {os.path.relpath(os.fsdecode(path), root) for path in store.photos.all_paths()}


@pytest.mark.parametrize("hidden", [False, True])
def test_files_of_other_programs_beside_photos_are_skipped(root: Path, hidden: bool) -> None:
    write(root, *DEBRIS, *ORDINARY)
    rules = Exclude(hidden=hidden)
    assert found(root, rules) == set(ORDINARY)
    for name in DEBRIS:
        reason = rules.explain(name.encode())
        assert reason is not None
        assert reason.startswith("built-in pattern "), (name, reason)


@pytest.mark.parametrize(
    ("pattern", "back"),
    [
        ("!@eaDir/", {"@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_XL.jpg", "a/@eaDir/x.jpg"}),
        ("!/a/@eaDir/", {"a/@eaDir/x.jpg"}),
        (r"!\#recycle/", {"#recycle/deleted.jpg"}),
        ("!.thumbnails/", {".thumbnails/large/0123.png"}),
        ("!.Trash-*/", {".Trash-1000/files/z.jpg"}),
        ("!._*", {"._IMG_1.jpg"}),
        ("!.trashed-*", {"a/.trashed-1700000000-IMG_2.jpg"}),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_user_patterns_include_them_again(root: Path, pattern: str, back: set[str], hidden: bool) -> None:
    write(root, *DEBRIS, *ORDINARY)
    rules = Exclude([pattern], hidden=hidden)
    assert found(root, rules) == set(ORDINARY) | back
    assert all(rules.explain(name.encode()) is None for name in back)


@pytest.mark.parametrize("pattern", DEFAULTS)
def test_every_built_in_pattern_can_be_overridden(pattern: str) -> None:
    name = pattern.rstrip("/").replace("\\", "").replace("*", "1")
    path = f"x/{name}/a.jpg" if pattern.endswith("/") else f"x/{name}.jpg"
    if pattern == ".nomedia":
        assert Exclude().respects_nomedia(b"x")
        assert not Exclude(["!.nomedia"]).respects_nomedia(b"x")
        return
    assert Exclude(hidden=True).explain(path.encode()) == f"built-in pattern {pattern}"
    assert Exclude([f"!{pattern}"]).explain(path.encode()) is None


def test_a_folder_with_nomedia_is_skipped_with_everything_below(root: Path) -> None:
    write(root, "a.jpg", "private/.nomedia", "private/b.jpg", "private/deeper/c.jpg")
    for hidden in (False, True):
        assert found(root, Exclude(hidden=hidden)) == {"a.jpg"}
    for start in (b"private", b"private/deeper"):  # as the daemon does for one folder
        assert found(root, Exclude(), [start]) == set()
    back = {"a.jpg", "private/b.jpg", "private/deeper/c.jpg"}
    assert found(root, Exclude(["!.nomedia"])) == back
    assert found(root, Exclude(["!/private/.nomedia"])) == back
    assert found(root, Exclude(["!/other/.nomedia"])) == {"a.jpg"}
    (root / "private" / ".nomedia").unlink()
    (root / "private" / ".nomedia").mkdir()  # Android only checks that it exists
    assert found(root, Exclude()) == {"a.jpg"}
    write(root, ".nomedia")
    assert found(root, Exclude()) == set()


def test_notes_are_kept_when_a_folder_becomes_excluded(store: Store, root: Path) -> None:
    write(root, "a.jpg", "private/b.jpg", "private/deeper/c.jpg", "@eaDir/d.jpg")
    synced(store, root, patterns=("!@eaDir/",))  # as before @eaDir was excluded
    assert len(living(store, root)) == 4
    noted = {}
    for name in ("private/deeper/c.jpg", "@eaDir/d.jpg"):
        photo = store.photos.find(os.fsencode(root / name))
        assert photo is not None
        assert photo.content is not None
        noted[name] = photo.content
        store.results.write_note(photo.content, f"a note on {name}")
    write(root, "private/.nomedia")
    synced(store, root)
    assert living(store, root) == {"a.jpg"}
    assert all(store.results.note(content) == f"a note on {name}" for name, content in noted.items())
    state = photo_state(store, Settings(), os.fsencode(root / "private/deeper/c.jpg"))
    assert state.state == EXCLUDED
    assert state.reason == f"there is a .nomedia in {root}/private"
    assert (
        photo_state(store, Settings(), os.fsencode(root / "@eaDir/d.jpg")).reason
        == "built-in pattern @eaDir/"
    )
    (root / "private/.nomedia").unlink()
    assert photo_state(store, Settings(), os.fsencode(root / "private/b.jpg")).state == PENDING
    synced(store, root)
    assert living(store, root) == {"a.jpg", "private/b.jpg", "private/deeper/c.jpg"}
    photo = store.photos.find(os.fsencode(root / "private/deeper/c.jpg"))
    assert photo is not None
    assert photo.content == noted["private/deeper/c.jpg"]


def test_all_skipped_files_are_counted(root: Path) -> None:
    write(
        root,
        "a.jpg",
        *DEBRIS,
        "b.tmp.jpg",
        "old/c.jpg",
        ".d.jpg",
        "film.MP4",
        "film.mp4",
        "README",
        ".DS_Store",
    )
    write(root, "private/.nomedia", "private/b.jpg", "private/deeper/c.jpg")
    (root / "link.jpg").symlink_to("a.jpg")
    (root / "linked").symlink_to("private", target_is_directory=True)
    os.mkfifo(root / "fifo.jpg")
    rules = Exclude(["*.tmp.jpg", "old/"])
    listed = skipped(os.fsencode(root), rules)
    assert listed.folders["built-in pattern @eaDir/"] == 2
    assert listed.folders["built-in pattern lost+found/"] == 1
    assert listed.folders["pattern old/"] == 1
    assert listed.images == {
        "hidden": 1,
        "pattern *.tmp.jpg": 1,
        "built-in pattern ._*": 1,
        "built-in pattern .trashed-*": 1,
        "built-in pattern .pending-*": 1,
    }
    assert (listed.nomedia, listed.links, listed.special, listed.unlisted) == (1, 2, 1, 0)
    assert listed.not_images == {".mp4": 2, "": 2}


def test_sidecars_of_photos_are_not_left_out(root: Path) -> None:
    write(root, "a.jpg", "a.xmp", "a.jpg.xmp", "a.jpg.json", "metadata.json")  # read
    write(
        root, "b.xmp", ".a.jpg.xmp", "package.json", "alone/a.xmp", "alone/metadata.json"
    )  # describe no photo
    assert skipped(os.fsencode(root), Exclude()).not_images == {".xmp": 3, ".json": 2}


def test_an_entry_that_cannot_be_read_is_counted_and_the_others_too(tmp_path: Path, root: Path) -> None:
    if not os.path.exists("/dev/fuse") or os.geteuid():
        pytest.skip("a FUSE file system needs root and /dev/fuse")
    write(root, "bad.jpg", "film.mp4", "good.jpg", "below/bad.jpg", "below/notes.txt")
    mount = tmp_path / "mount"
    mount.mkdir()
    with faulty_disk(str(root), str(mount), eio_stat="bad.jpg"):
        listed = skipped(os.fsencode(mount), Exclude())
    assert (listed.unreadable, listed.not_images) == (2, {".mp4": 1, ".txt": 1})


@pytest.mark.parametrize(
    "error",
    [too_much_memory("a.jpg", 512), too_many_pixels("a.jpg", "9 x 9", 200), too_many_bytes("a.jpg", 4 << 30)],
)
def test_files_that_are_too_large_are_recognised_by_the_message_that_the_index_keeps(
    store: Store, root: Path, error: PhotoError
) -> None:
    write(root, "a.jpg")
    known, _ = add_root(store, os.fsencode(root))
    store.photos.save_unreadable(known.id, b"", b"a.jpg", FileStat(1, 1, 1, 1), error.advice, 0)
    (failure,) = store.failures.all()
    assert is_too_large(failure.error)


def test_the_name_of_a_file_does_not_make_it_too_large() -> None:
    name = too_much_memory("x", 512).advice
    assert not is_too_large(PhotoError(f"{name}.jpg is damaged or cut short", "It is tried again.").advice)


names = st.sampled_from(
    ["a.jpg", ".b.jpg", "c.txt", "@eaDir", "._d.jpg", "old", "e", ".nomedia", "lost+found", ".x"]
)


@given(st.lists(st.lists(names, min_size=1, max_size=3), max_size=8), st.booleans())
def test_every_image_is_either_found_or_counted(
    tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]], hidden: bool
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for parts in paths:
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError:  # a file where a folder should be
            continue
    rules = Exclude(["old"], hidden=hidden)
    ours, listed = found(root, rules), skipped(os.fsencode(root), rules)
    for path in root.rglob("*"):
        if path.is_file() and path.name.endswith(".jpg"):
            inside = os.fsencode(path.relative_to(root))
            entered = why_not_entered(os.fsencode(root), os.path.dirname(inside), rules) is None
            assert (os.fsdecode(inside) in ours) == (entered and rules.explain(inside) is None)
            if os.fsdecode(inside) not in ours:
                assert listed.nomedia + sum(listed.folders.values()) + sum(listed.images.values()) > 0
