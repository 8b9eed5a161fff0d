"""Migrations of real files: new, old, interrupted, foreign, newer and damaged ones."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw
import pytest
from blake3 import blake3

from imgret.errors import Exit, IndexProblem, IndexTooNew
from imgret.photo import Facts
from imgret.store.factory import open_store
from imgret.store.sqlite.backup import backup
from imgret.store.sqlite.migrate import APPLICATION_ID, Migration, migrate, migrations, version

LEGACY = Migration(
    1, "0001-legacy.sql", "CREATE TABLE photo (path TEXT) STRICT; INSERT INTO photo VALUES ('a');"
)
NEXT = Migration(
    2, "0002-next.sql", "ALTER TABLE photo ADD COLUMN note TEXT; UPDATE photo SET note = 'kept';"
)
BROKEN = Migration(2, "0002-broken.sql", "CREATE TABLE half (x) STRICT; SELECT * FROM nothing_like_it;")


def legacy(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    migrate(db, [LEGACY])
    return db


def test_a_new_file_has_our_application_id_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "index.db"
    with open_store(str(path)) as store:
        assert store.db.pragma("application_id") == APPLICATION_ID
        assert version(store.db) == migrations()[-1].version
        assert store.db.pragma("journal_mode") == "wal"
        assert store.db.pragma("page_size") == 8192
        assert store.problems() == []
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_every_migration_runs_alone_from_the_state_before_it(tmp_path: Path) -> None:
    db = apsw.Connection(str(tmp_path / "x.db"))
    for step in migrations():
        assert migrate(db, [step]) == step.version
    numbers = [step.version for step in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_old_file_is_migrated_and_backed_up(tmp_path: Path) -> None:
    db = legacy(tmp_path / "x.db")
    assert migrate(db, [LEGACY, NEXT]) == 2
    assert db.execute("SELECT * FROM photo").fetchall() == [("a", "kept")]
    before = apsw.Connection(str(tmp_path / "x.db.v1.bak"))
    assert before.execute("SELECT * FROM photo").fetchall() == [("a",)]
    assert stat.S_IMODE((tmp_path / "x.db.v1.bak").stat().st_mode) == 0o600
    assert migrate(db, [LEGACY, NEXT]) == 2  # nothing to do


def test_a_failed_migration_leaves_the_previous_version(tmp_path: Path) -> None:
    db = legacy(tmp_path / "x.db")
    with pytest.raises(apsw.SQLError):
        migrate(db, [LEGACY, BROKEN])
    assert db.pragma("user_version") == 1
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("photo",)]
    assert migrate(db, [LEGACY, NEXT]) == 2


def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with open_store(str(path)) as store:
        store.db.pragma("user_version", 99)
    before = path.read_bytes()
    with pytest.raises(IndexTooNew, match="schema version 99") as caught:
        open_store(str(path))
    assert caught.value.exit_code is Exit.INDEX
    assert caught.value.hint
    assert path.read_bytes() == before


def test_a_database_of_another_application_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(IndexProblem, match="not an imgret index"):
        open_store(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be looked at" * 40, b"SQLite format 3\0junk"]
)
def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(content)
    with pytest.raises(IndexProblem) as caught:
        open_store(str(path))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_missing_file_is_only_created_on_request(tmp_path: Path) -> None:
    with pytest.raises(IndexProblem, match="there is no index"):
        open_store(str(tmp_path / "none.db"), create=False)
    assert os.listdir(tmp_path) == []


def test_a_backup_is_a_complete_index(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "index.db")) as store:
        store.remember("key", "value")
        backup(store.db, str(tmp_path / "copy.db"))
    with open_store(str(tmp_path / "copy.db")) as copy:
        assert copy.setting("key") == "value"
        assert copy.problems() == []


def test_migration_for_truncated_images_retries_files_that_could_not_be_decoded(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    db = apsw.Connection(str(path))
    this = next(step.version for step in migrations() if step.name.endswith("-truncated.sql"))
    migrate(db, [step for step in migrations() if step.version < this])
    db.execute("INSERT INTO content (hash, format, width, height) VALUES (zeroblob(32), 'JPEG', 4, 3)")
    db.execute("INSERT INTO content (hash) VALUES (randomblob(32))")
    db.execute("INSERT INTO note (content, text, written_at) VALUES (2, 'kept', 1)")
    db.execute("INSERT INTO work (content, stage, attempts, error) VALUES (1, 'caption', 5, 'no memory')")
    db.execute("INSERT INTO work (content, stage, attempts, error) VALUES (2, 'decode', 5, 'cut short')")
    db.execute("INSERT INTO work (content, stage, attempts, error) VALUES (2, 'caption', 5, 'cut short')")
    db.close()
    with open_store(str(path)) as store:
        assert store.contents.facts(1) == Facts("JPEG", 4, 3, truncated=False)
        rows = list(store.rows("SELECT content, stage, attempts, error FROM work ORDER BY content, stage"))
        assert rows == [(1, "caption", 5, "no memory"), (2, "caption", 0, None), (2, "decode", 0, None)]
        assert store.row("SELECT text FROM note WHERE content = 2") == ("kept",)
        assert store.problems() == []


def test_migration_for_nested_mounts_keeps_photos(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    db = apsw.Connection(str(path))
    migrate(db, migrations()[:1])
    db.execute("INSERT INTO root (path) VALUES (x'2f70')")
    db.execute(
        "INSERT INTO photo (root, folder, name, size, mtime_ns, ctime_ns, inode, first_seen, last_seen)"
        " VALUES (1, x'61', x'62', 1, 1, 1, 1, 1, 1)"
    )
    db.close()
    with open_store(str(path)) as store:
        (root,) = store.roots.all()
        assert store.roots.mounts(root.id) == []
        photo = store.photos.find(b"/p/a/b")
        assert photo is not None
        assert photo.online
        assert store.problems() == []


def test_migration_for_edits_keeps_notes_and_deletes_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    empty = blake3().digest()
    db = apsw.Connection(str(path))
    migrate(db, migrations()[:2])
    db.execute("INSERT INTO root (path, watched) VALUES (x'2f70', 1), (x'2f71', 0)")
    db.execute("INSERT INTO content (hash, format) VALUES (?, 'JPEG'), (?, NULL)", (b"a" * 32, empty))
    for root, name, content, gone in ((1, b"a", 1, None), (1, b"empty", 2, None), (2, b"removed", 1, 5)):
        db.execute(
            "INSERT INTO photo (root, folder, name, size, mtime_ns, ctime_ns, inode, content, first_seen,"
            " last_seen, gone_at) VALUES (?, x'', ?, 1, 1, 1, 1, ?, 1, 1, ?)",
            (root, name, content, gone),
        )
    db.execute("INSERT INTO note VALUES (1, 'ours', 1), (2, 'taken along by an empty file', 1)")
    db.close()
    with open_store(str(path)) as store:
        assert [root.path for root in store.roots.all()] == [b"/p"]
        assert store.results.note(1) == "ours"
        assert set(store.work.of(1)) == {"decode"}  # its signature is needed to recognize an edit
        found = store.photos.find(b"/p/empty")
        assert found is not None
        assert found.content is None
        removed = store.photos.find(b"/q/removed")
        assert removed is not None
        assert removed.gone_at == 5
        assert store.problems() == []


def test_migration_for_subseconds_decodes_photos_with_notes_again(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    db = apsw.Connection(str(path))
    this = next(step.version for step in migrations() if step.name.endswith("-subsecond.sql"))
    migrate(db, [step for step in migrations() if step.version < this])
    db.execute("INSERT INTO root (path) VALUES (x'2f70')")
    for number, taken in ((1, 5), (2, None), (3, 5)):
        db.execute(
            "INSERT INTO content (hash, format, width, height, taken_at) VALUES (randomblob(32), 'JPEG', 4, 3, ?)",
            (taken,),
        )
        db.execute(
            "INSERT INTO photo (root, folder, name, size, mtime_ns, ctime_ns, inode, content, first_seen,"
            " last_seen) VALUES (1, x'', CAST(? AS BLOB), 1, 1, 1, 1, ?, 1, 1)",
            (f"{number}.jpg", number),
        )
    db.execute("INSERT INTO note (content, text, written_at) VALUES (1, 'kept', 1), (2, 'undated', 1)")
    db.close()
    with open_store(str(path)) as store:
        assert store.contents.facts(1) == Facts("JPEG", 4, 3, 5)
        assert list(store.rows("SELECT content, stage FROM work")) == [(1, "decode")]
        assert store.results.note(1) == "kept"
        assert store.problems() == []


def test_migration_for_folding_makes_words_found_in_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    db = apsw.Connection(str(path))
    steps = migrations()
    before = next(at for at, step in enumerate(steps) if step.name.endswith("folded-words.sql"))
    migrate(db, steps[:before])
    for number, note in enumerate(("Straße nach Łódź", "a cake 🎂", "ordinary"), 1):
        db.execute("INSERT INTO content (id, hash) VALUES (?, randomblob(32))", (number,))
        db.execute("INSERT INTO document (content, note, names) VALUES (?, ?, 'IMG')", (number, note))
    db.close()
    with open_store(str(path)) as store:
        for text, right in (("STRASSE lodz", [1]), ("🎂", [2]), ("img", [1, 2, 3])):
            found = store.words.best(store.words.terms(text.split()), 9, 99)
            assert sorted(found.tolist()) == right
        assert store.documents.check() == []
        assert store.problems() == []
        store.documents.update(3, {"note": "ŁÓDŹ"})  # the triggers are there again
        assert len(store.words.best(store.words.terms(["łódź"]), 9, 99)) == 2
