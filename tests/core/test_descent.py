"""Opening folders below a root, whatever is put in their place meanwhile."""

import os

import pytest

from imgret.safe_open import Descent


def names(fd):
    return sorted(os.listdir(fd))


def test_folders_in_any_order(tmp_path):
    for folder in ("a/b/c", "a/d", "e"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"in {folder[-1]}").touch()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with Descent(os.fsencode(tmp_path)) as descent:
        for folder, there in (
            (b"a/b/c", ["in c"]),
            (b"a/d", ["in d"]),
            (b"a/b", ["c"]),
            (b"", ["a", "e"]),
            (b"e", ["in e"]),
            (b"e", ["in e"]),
        ):
            assert names(descent.folder(folder)) == there
        with pytest.raises(FileNotFoundError):
            descent.folder(b"a/none/b")
        assert names(descent.folder(b"a/d")) == ["in d"]
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_symlink_is_not_followed_the_root_may_be_one(tmp_path):
    (tmp_path / "root/a").mkdir(parents=True)
    (tmp_path / "outside/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("root")
    (tmp_path / "root/away").symlink_to(tmp_path / "outside")
    with Descent(os.fsencode(tmp_path / "link")) as descent:
        assert names(descent.folder(b"")) == ["a", "away"]
        for folder in (b"away", b"away/b"):
            with pytest.raises(NotADirectoryError):
                descent.folder(folder)


def test_a_path_longer_than_the_system_takes(tmp_path):
    deep, name = [], b"n" * 200
    with Descent(os.fsencode(tmp_path)) as descent:
        for _ in range(60):
            os.mkdir(name, dir_fd=descent.folder(b"/".join(deep)))
            deep.append(name)
        path = b"/".join(deep)
        with pytest.raises(OSError, match="too long"):
            os.stat(os.path.join(os.fsencode(tmp_path), path))
        os.close(os.open("photo", os.O_CREAT | os.O_WRONLY, dir_fd=descent.folder(path)))
        assert names(descent.folder(path)) == ["photo"]
        assert names(descent.folder(b"/".join(deep[:40]))) == [os.fsdecode(name)]
        assert names(descent.folder(b"")) == [os.fsdecode(name)]
