"""A real index of schema version 6 (`tests/data/index_v6.py` made it): nothing is lost, and searches find the same."""

from __future__ import annotations

import base64
import json
import lzma
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import apsw
import msgspec
import numpy as np
import pytest
from earlier_keys import known

from imgret import stage_results
from imgret.cli.commands import run
from imgret.config import Settings, places
from imgret.photo import ModelIdentity
from imgret.search import copy_folding
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.search.warm_index import WarmIndexLoader
from imgret.stages import registry
from imgret.store import codes
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.sqlite.opening import load_extension

DATA = Path(__file__).parent.parent / "data"
BEFORE: dict[str, Any] = json.loads(lzma.decompress((DATA / "answers-v6.json.xz").read_bytes()))
FILE = lzma.decompress((DATA / "index-v6.db.xz").read_bytes())
OFF = "".join(f'[{stage}]\nweights = "none"\n' for stage in registry.own().names if stage != "embed")


class Encoder:
    """Gives the vectors that the embedder of that time gave."""

    identity = ModelIdentity(*BEFORE["embedder"])

    def encoder(self, stage: str, wanted: ModelIdentity) -> Encoder:
        assert (stage, wanted) == ("embed", self.identity)
        return self

    def for_query_image(self, stages: object) -> Any:
        raise AssertionError("every picture here is in the index")

    def vectors(self, texts: list[str]) -> Any:
        rows = [base64.b64decode(BEFORE["encoded"][text]) for text in texts]
        return np.frombuffer(b"".join(rows), "<f4").reshape(len(texts), -1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "index.db"
    made.write_bytes(FILE)
    return made


@pytest.fixture(autouse=True)
def no_near_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_folding, "_compared", lambda *_: ({}, {}))  # version 6 did not fold them


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(str(path)) as opened:
        yield opened


def hits(store: Store, query: dict[str, Any], keeper: WarmIndexLoader | None = None) -> list[dict[str, Any]]:
    service = SearchService(store, Settings(), places(), Encoder(), keeper)  # type: ignore[arg-type]
    found = service.search(msgspec.convert({"format": "json"} | query, SearchRequest))
    lines = [json.loads(line) for line in found.output.splitlines()]
    for line in lines:  # keys that version 6 did not have
        assert (line.pop("metadata"), line.pop("taken_precision") is None) == (None, line["taken_at"] is None)
        assert line.pop("captions") == ([line["caption"]] if line["caption"] else [])
        assert (line.pop("text"), line.pop("place")) == ([], None)
        assert line.pop("copies") == len(line.get("other_paths", ()))
    return lines


def stored(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ranking = ("score", "confidence", "strength", "why")
    return [{key: value for key, value in hit.items() if key not in ranking} for hit in found]


def printed(*arguments: str) -> list[Any]:
    out = TextIOWrapper(BytesIO(), encoding="utf-8")
    with redirect_stdout(out), redirect_stderr(StringIO()):
        run(list(arguments))
    out.flush()
    lines = out.buffer.getvalue().decode("utf-8", "surrogateescape").splitlines()  # type: ignore[attr-defined]
    return [json.loads(line) if line.startswith("{") else line for line in lines]


def test_what_is_ranked_by_vectors_or_by_date_is_in_the_same_order(store: Store) -> None:
    # Words and `hybrid` are ranked by other weights since version 8.
    compared = 0
    for saved in BEFORE["queries"]:
        query = saved["query"]
        filters_alone = all(hit["score"] == 0 for hit in saved["hits"])
        if (query.get("rank") == "vector" or filters_alone) and "minimum" not in query:
            assert stored(hits(store, query)) == stored(saved["hits"]), query
            compared += 1
    assert compared > 35


def test_a_photo_is_shown_with_the_same_texts_tags_and_dates(store: Store) -> None:
    compared = 0
    for saved in BEFORE["queries"]:
        before = {hit["path"]: hit | {"rank": 0} for hit in stored(saved["hits"])}
        found = [hit for hit in stored(hits(store, saved["query"])) if hit["path"] in before]
        assert [hit | {"rank": 0} for hit in found] == [before[hit["path"]] for hit in found], saved["query"]
        compared += len(found)
    assert compared > 500


def test_every_query_finds_the_same_in_memory_and_in_rebuilt_tables(store: Store, path: Path) -> None:
    assert len(BEFORE["queries"]) > 60
    queries = [saved["query"] for saved in BEFORE["queries"]]
    migrated = [hits(store, query) for query in queries]
    keeper = WarmIndexLoader(str(path))
    keeper.current(store)
    keeper.wait()
    assert keeper.current(store) is not None
    assert [hits(store, query, keeper) for query in queries] == migrated
    store.results.rebuild_words(stage_results.texts)
    store.vectors.rebuild()
    assert [hits(store, query) for query in queries] == migrated
    assert store.problems() == []
    assert store.documents.check() == []


def test_every_command_prints_the_same(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'{OFF}[embed]\nweights = "wordllama"\n')
    monkeypatch.setenv("IMGRET_INDEX", str(path))
    monkeypatch.setenv("IMGRET_CONFIG", str(config))
    for command in BEFORE["commands"]:
        now = printed(*command["arguments"])
        assert len(now) == len(command["lines"])
        for line, before in zip(now, command["lines"], strict=True):
            if isinstance(before, dict) and before.get("state") == "failed":
                before["reason"] = before["reason"].replace("next time", "with the next `imgret index`")
            elif isinstance(before, dict):
                before.pop("reason", None)  # a sentence of the program, not of the index
            assert known(line, before) == before, command["arguments"]


def test_no_row_is_lost(store: Store, path: Path) -> None:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)

    def rows(sql: str) -> list[list[Any]]:
        return [list(row) for row in db.execute(sql)]

    for table, count in BEFORE["rows"].items():
        assert rows(f"SELECT count(*) FROM {table}") == [[count]], table
    assert rows("SELECT content, text, hex(path) FROM note ORDER BY content") == BEFORE["notes"]
    tags = "SELECT label, content{} FROM tag WHERE kind = '{}' AND stage = '{}' ORDER BY 1, 2"
    assert rows(tags.format(", count", "object", "detect")) == BEFORE["detections"]
    assert rows(tags.format("", "topic", "topics")) == BEFORE["topics"]
    vectors = (
        "SELECT name, iif(view = 'captions', 'caption', view) AS view, count(*) FROM vector JOIN space ON space.id = space JOIN model ON model.id = model"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert rows(vectors) == BEFORE["vectors"]
    assert [space.identity for space in store.vectors.active_spaces()] == [Encoder.identity]
    assert store.problems() == []
    assert store.documents.check() == []


def test_captions_and_their_vectors_are_kept_and_not_computed_again(store: Store, path: Path) -> None:
    before = apsw.Connection(str(path) + ".v6.bak", flags=apsw.SQLITE_OPEN_READONLY)
    now = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    captions = "SELECT content, payload, made_at FROM stage_result WHERE stage = 'caption' ORDER BY content"
    old, new = list(before.execute(captions)), list(now.execute(captions))
    assert len(old) > 20
    decode = registry.own()["caption"].decode
    for (content, payload, made_at), (same, listed, then) in zip(old, new, strict=True):
        caption = json.loads(payload)
        assert (same, decode(listed), then) == (content, (caption,) if caption else (), made_at)
    vectors = "SELECT id, content, data FROM vector WHERE view = ? ORDER BY id"
    kept = list(before.execute(vectors, ("caption",)))
    assert kept
    assert list(now.execute(vectors, ("captions",))) == kept
    views = "SELECT content, payload FROM stage_result WHERE stage = 'embed' ORDER BY content"
    for (_, old_views), (_, new_views) in zip(before.execute(views), now.execute(views), strict=True):
        named = [view.replace("caption", "captions") for view in json.loads(old_views)]
        assert json.loads(new_views) == named
    assert now.execute("SELECT count(*) FROM vector WHERE view = 'caption'").get == 0


def test_the_embedder_that_was_half_done_takes_over_when_it_is_complete(store: Store, path: Path) -> None:
    other = ModelIdentity("other-embedder", "2", "float32")
    assert not store.vectors.activate_when_complete(other)
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    for (content,) in db.execute(
        "SELECT content FROM vector WHERE space = 4 AND view = 'passage'"
    ).fetchall():
        row = np.random.default_rng(content).standard_normal(24)
        store.vectors.save(content, other, {"passage": (row / np.linalg.norm(row)).astype(np.float32)})
    assert store.vectors.activate_when_complete(other)
    assert store.vectors.active_model() == other
    assert list(db.execute("SELECT name FROM space JOIN model ON model.id = model")) == [("other-embedder",)]
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE sql LIKE '%USING vec0%'")]
    assert tables == ["nearest5a"]
    assert store.problems() == []


def test_a_table_of_codes_is_kept(path: Path) -> None:
    db = load_extension(apsw.Connection(str(path)))
    rows: list[Any] = db.execute(
        "SELECT content, data FROM vector WHERE model = 4 AND view = 'passage'"
    ).fetchall()
    matrix = np.array([np.frombuffer(data, np.float16) for _, data in rows], np.float32)
    learned = codes.learn(matrix, len(matrix))
    db.execute(
        f"CREATE VIRTUAL TABLE nearest2 USING vec0 (content INTEGER PRIMARY KEY, code int8[{codes.DIMENSIONS}])"
    )
    coded = learned.encode(matrix)
    db.executemany(
        "INSERT INTO nearest2 VALUES (?, vec_int8(?))",
        [(row[0], code.tobytes()) for row, code in zip(rows, coded, strict=True)],
    )
    db.execute("INSERT INTO setting VALUES ('nearest table', 'nearest2'); DROP TABLE nearest")
    sql = "INSERT INTO projection (model, learned_from, scale, mean, basis) VALUES (4, ?, ?, ?, ?)"
    db.execute(sql, (len(matrix), learned.scale, learned.mean.tobytes(), learned.basis.tobytes()))
    db.close()
    with open_store(str(path)) as store:
        space = store.vectors.active_space()
        assert space is not None
        kept = store.nearest.projection(space)
        assert kept is not None
        assert np.array_equal(kept.basis, learned.basis)
        assert store.nearest.check(space) == []  # type: ignore[attr-defined]
        for saved in BEFORE["queries"]:  # codes choose other candidates than vectors, far down
            if saved["query"].get("rank") == "vector":
                best = [hit["path"] for hit in hits(store, saved["query"])[:1]]
                assert best == [hit["path"] for hit in saved["hits"][:1]], saved["query"]
        assert store.problems() == []


KILLED = """
import os, signal, sys
from imgret.store.sqlite import migrate, sql_functions
from imgret.store.factory import open_store
steps = migrate.migrations()
last = steps[6]
half, rest = last.sql[: last.sql.index(sys.argv[2])], last.sql[last.sql.index(sys.argv[2]) :]
real = migrate.migrations
migrate.migrations = lambda: [*steps[:6], last._replace(sql=half + "SELECT killed();" + rest)]
register = sql_functions.register
def registered(db):
    register(db)
    db.create_scalar_function("killed", lambda: os.kill(os.getpid(), signal.SIGKILL))
migrate.sql_functions.register = registered
open_store(sys.argv[1])
"""


@pytest.mark.parametrize("at", ["DROP TABLE detection", "ALTER TABLE vector", "DROP TABLE old_projection"])
def test_a_kill_within_the_migration_leaves_the_file_as_it_was(path: Path, at: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), at], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    for file in (path, Path(f"{path}.v6.bak")):
        db = apsw.Connection(str(file))
        assert db.pragma("user_version") == 6
        assert db.execute("PRAGMA integrity_check").get == "ok"
        assert db.execute("SELECT count(*) FROM detection").get == len(BEFORE["detections"])
        assert db.execute("SELECT count(model) FROM vector").get == BEFORE["rows"]["vector"]
        db.close()
    with open_store(str(path)) as store:  # the next start migrates it
        saved = BEFORE["queries"][1]
        assert saved["query"]["rank"] == "vector"
        assert stored(hits(store, saved["query"])) == stored(saved["hits"])
        assert store.problems() == []
    assert os.path.getsize(f"{path}.v6.bak") > 1 << 20


def test_the_counts_of_waiting_and_failed_photos_are_those_of_the_rows(store: Store) -> None:
    progress = store.summary.progress()
    living = "SELECT content FROM photo WHERE gone_at IS NULL"
    rows = store.db.execute(  # type: ignore[attr-defined]
        f"SELECT stage, error IS NOT NULL, count(*) FROM work WHERE content IN ({living}) GROUP BY 1, 2"
    ).fetchall()
    assert rows
    assert progress.waiting == {stage: count for stage, failed, count in rows if not failed}
    assert progress.failed == {stage: count for stage, failed, count in rows if failed}
    counted = store.db.execute(f"SELECT count(DISTINCT content) FROM ({living})").get  # type: ignore[attr-defined]
    assert progress.contents == counted
    assert store.db.execute("SELECT 1 FROM work WHERE date <= 0").get is None  # type: ignore[attr-defined]
