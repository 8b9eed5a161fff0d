from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from text_spaces import VIEWS, table, text_space

from imgret.photo import ModelIdentity
from imgret.store import codes
from imgret.store.interface import Store
from imgret.store.records import SpaceTraits
from imgret.store.sqlite import nearest

A, B = ModelIdentity("a", "1"), ModelIdentity("b", "1")
Units = Callable[..., Any]
Bulk = Callable[..., list[int]]


def exact(matrix: Any, query: Any, count: int) -> list[int]:
    return list(np.argsort(-(matrix @ query), kind="stable")[:count])


def test_saved_vectors_come_back_by_view(store: Store, units: Units, bulk: Bulk) -> None:
    rows = units(3)
    (content,) = bulk(rows[:1], A)
    store.vectors.save(content, A, {"passage": rows[1], "note": rows[2]})
    found = store.vectors.of(text_space(store), np.array([content, 999]), VIEWS)
    assert np.allclose(found["passage"][0], rows[1], atol=1e-3)
    assert np.allclose(found["note"][0], rows[2], atol=1e-3)
    assert np.isnan(found["captions"][0]).all()
    assert np.isnan(found["passage"][1]).all()
    assert store.nearest.search(text_space(store), rows[1], 1).tolist() == [content]
    assert store.nearest.count(text_space(store)) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda v: v * np.nan, "NaN"),
        (lambda v: np.where(np.arange(len(v)) == 3, np.inf, v), "infinity"),
        (lambda v: v * 0, "norm 0.000"),
        (lambda v: v * 1.5, "norm 1.500"),
        (lambda v: np.append(v, 0.0), "33 dimensions"),
    ],
)
def test_a_vector_that_would_hide_others_is_refused_and_changes_nothing(
    store: Store, units: Units, bulk: Bulk, spoil: Callable[[Any], Any], message: str
) -> None:
    rows = units(4)
    content = bulk(rows[:3], A)[0]
    with pytest.raises(ValueError, match=message):
        store.vectors.save(content, A, {"captions": rows[3], "passage": spoil(rows[3])})
    assert store.nearest.search(text_space(store), rows[0], 3).tolist()[0] == content
    assert np.allclose(
        store.vectors.of(text_space(store), np.array([content]), VIEWS)["passage"][0], rows[0], atol=1e-3
    )


def test_a_rollback_takes_back_the_nearest_too(store: Store, units: Units, bulk: Bulk) -> None:
    rows = units(3)
    content = bulk(rows[:2], A)[0]

    def interrupted() -> None:
        with store.writing():
            store.vectors.save(content, A, {"passage": rows[2]})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert store.nearest.search(text_space(store), rows[0], 1).tolist() == [content]
    assert store.nearest.check(text_space(store)) == []


def test_copies_and_removals(store: Store, units: Units, bulk: Bulk) -> None:
    rows = units(2)
    one, two = bulk(rows, A)
    store.vectors.copy(one, two, ["embed"])
    assert set(store.nearest.search(text_space(store), rows[0], 2).tolist()) == {one, two}
    assert np.array_equal(
        *(store.vectors.of(text_space(store), np.array([c]), VIEWS)["passage"] for c in (one, two))
    )
    store.vectors.remove(one)
    assert store.nearest.search(text_space(store), rows[0], 1).tolist() == [two]


def test_the_old_embedder_is_used_until_the_new_one_covers_as_much(
    store: Store, units: Units, bulk: Bulk
) -> None:
    old, new = units(4), units(4, dimension=16, seed=1)
    contents = bulk(old, A)
    assert store.vectors.active_model() == A
    for content, row in zip(contents[:3], new, strict=False):
        store.vectors.save(content, B, {"passage": row})
        assert not store.vectors.activate_when_complete(B)
        assert store.vectors.active_model() == A
        assert store.nearest.search(text_space(store), old[0], 1).tolist() == contents[:1]
    store.vectors.save(contents[3], B, {"passage": new[3]})
    assert store.vectors.activate_when_complete(B)
    assert store.vectors.active_model() == B
    assert store.nearest.search(text_space(store), new[2], 1).tolist() == [contents[2]]
    assert list(store.rows("SELECT count(*) FROM space")) == [(1,)]
    assert store.vectors.activate_when_complete(B)


def test_contents_without_a_photo_do_not_keep_the_old_embedder(
    store: Store, units: Units, bulk: Bulk
) -> None:
    one, two = bulk(units(2), A)
    root = int(store.db.execute("SELECT id FROM root").get)  # type: ignore[arg-type]
    store.photos.mark_deleted(root, b"", [b"%d.jpg" % two], now=5)
    store.vectors.save(one, B, {"passage": units(1, dimension=8)[0]})
    assert store.vectors.activate_when_complete(B)


def test_a_large_library_is_coded_and_found_again(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "EXACT", 1000)
    rows = units(1500, dimension=160)
    contents = bulk(rows[:1400], A)
    assert store.nearest.projection(text_space(store)) is None
    assert store.vectors.activate_when_complete(A)  # as every run of describing ends
    projection = store.nearest.projection(text_space(store))
    assert projection is not None
    assert projection.learned_from == 1400
    assert not store.nearest.rebuild_if_outgrown(text_space(store))
    contents += bulk(rows[1400:], A)  # coded by the projection there is
    shares = []
    for query in units(20, dimension=160, seed=9):
        found = store.nearest.search(text_space(store), query, 80).tolist()
        right = [contents[at] for at in exact(rows, query, 20)]
        shares.append(len(set(right) & set(found)) / 20)
    assert np.mean(shares) >= 0.99
    assert store.nearest.check(text_space(store)) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE {table}",
        "DELETE FROM {table}_chunks",
        "DELETE FROM {table} WHERE content % 2",
        "DROP TABLE {table}_vector_chunks00",
        "UPDATE {table}_chunks SET validity = x'00'",
        "UPDATE {table}_chunks SET rowids = x'00'",
        "UPDATE {table}_vector_chunks00 SET vectors = substr(vectors, 2)",
        "DELETE FROM {table}_vector_chunks00",
    ],
)
def test_a_damaged_table_is_noticed_and_rebuilt(store: Store, units: Units, bulk: Bulk, damage: str) -> None:
    rows = units(50)
    contents = bulk(rows, A)
    store.db.execute(damage.format(table=table(store)))
    with pytest.raises(nearest.Damaged):
        store.nearest.search(text_space(store), rows[7], 50)
    assert store.nearest.check(text_space(store)) != []
    store.vectors.rebuild()
    assert store.nearest.check(text_space(store)) == []
    assert store.nearest.search(text_space(store), rows[7], 50).tolist()[0] == contents[7]
    store.vectors.save(contents[3], A, {"passage": rows[3]})


@pytest.mark.parametrize("few", [0, nearest.FEW])
def test_the_table_is_exact_among_all_and_among_some(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(nearest, "FEW", few)
    rows = units(40)
    contents = np.array(bulk(rows, A))
    kept = rows.astype(np.float16).astype(np.float32)
    assert (
        store.nearest.search(text_space(store), rows[3], 30).tolist()
        == contents[exact(kept, rows[3], 30)].tolist()
    )
    among = contents[::2]
    right = among[exact(kept[::2], rows[3], 12)]
    assert store.nearest.search(text_space(store), rows[3], 12, among).tolist() == right.tolist()
    assert (
        store.nearest.scan(text_space(store), rows[3], 4).tolist()
        == store.nearest.search(text_space(store), rows[3], 4).tolist()
    )


@pytest.mark.parametrize("few", [0, nearest.FEW])
def test_among_photos_without_vectors_there_is_nothing_near(
    store: Store, units: Units, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(nearest, "FEW", few)
    rows = units(2)
    with_vector, without = bulk(rows, A)
    store.vectors.remove(without)
    assert store.nearest.search(text_space(store), rows[1], 5, np.array([without])).tolist() == []
    assert store.nearest.search(text_space(store), rows[1], 5, np.array([with_vector, without])).tolist() == [
        with_vector
    ]


def test_saving_mends_a_missing_table(store: Store, units: Units, bulk: Bulk) -> None:
    rows = units(6)
    contents = bulk(rows[:5], A)
    store.db.execute(f"DROP TABLE {table(store)}")
    contents += bulk(rows[5:], A)
    store.vectors.rebuild()
    assert set(store.nearest.search(text_space(store), rows[0], 6).tolist()) == set(contents)


def test_a_projection_keeps_the_order_of_its_sample(units: Units) -> None:
    rows = units(2000, dimension=200)
    projection = codes.learn(rows, 2000)
    assert projection.basis.shape == (200, codes.DIMENSIONS)
    assert np.allclose(projection.basis.T @ projection.basis, np.eye(codes.DIMENSIONS), atol=1e-4)
    coded = projection.encode(rows)
    assert coded.dtype == np.int8
    query = units(1, dimension=200, seed=4)[0]
    near, right = (
        np.argsort(-(coded @ projection.weights(query)))[:40],
        exact(rows, query, 10),
    )
    assert len(set(near.tolist()) & set(right)) == 10


def test_few_dimensions_make_short_codes(units: Units) -> None:
    assert codes.learn(units(100, dimension=16), 100).encode(units(3, dimension=16)).shape == (3, 16)


def test_spaces_are_apart(store: Store, units: Units, bulk: Bulk) -> None:
    rows = units(5)
    contents = bulk(rows, A)
    for content, row in zip(contents, units(5, dimension=3), strict=True):
        store.vectors.save(content, B, {"mean": row}, "colour", SpaceTraits("mean", 0.5))
    text, colour = store.vectors.active_spaces()
    assert (text.stage, text.identity, text.dimension, text.lead, text.weight) == (
        "embed",
        A,
        32,
        "passage",
        0,
    )
    assert (colour.stage, colour.identity, colour.dimension, colour.lead, colour.weight) == (
        "colour",
        B,
        3,
        "mean",
        0.5,
    )
    assert store.nearest.search(colour, units(5, dimension=3)[4], 1).tolist() == [contents[4]]
    assert store.nearest.search(text, rows[4], 1).tolist() == [contents[4]]
    store.vectors.remove(contents[4])
    assert contents[4] not in store.nearest.search(colour, units(5, dimension=3)[4], 5)
    store.vectors.save(contents[0], B, {"mean": units(5, dimension=3)[1]}, "colour", SpaceTraits("mean", 2.0))
    assert store.vectors.active_space("colour").weight == 2.0  # type: ignore[union-attr]
    store.vectors.rebuild()
    assert store.nearest.check(text) == store.nearest.check(colour) == []
    store.vectors.forget_stage("colour")
    assert store.vectors.active_spaces() == [text]
    assert store.nearest.search(text, rows[3], 1).tolist() == [contents[3]]
    tables = store.rows(
        "SELECT name FROM sqlite_schema WHERE name LIKE 'nearest%' AND sql LIKE '%USING vec0%'"
    )
    assert list(tables) == [(table(store),)]
