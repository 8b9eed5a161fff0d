"""Real indexes that contain exactly a data set's photos, and those derived from them."""

import os
import shutil

import numpy as np
import pytest
from saving import STAGES, save, save_vectors

from imgret import stage_results
from imgret.errors import UsageError
from imgret.evaluate import gallery, stand_ins
from imgret.evaluate.dataset import ProblemKind
from imgret.evaluate.recipe import Recipe
from imgret.photo import Detection, ModelIdentity
from imgret.store.factory import open_store

SEEN = ModelIdentity("seer", "1")
EMBEDDER = ModelIdentity("embedder", "1")
DOG = Detection("dog", 0.9, (0.0, 0.0, 0.5, 0.5))


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "base.db")) as opened:
        yield opened


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    made = [folder / "a.jpg", folder / "b.jpg", folder / "inner" / "c.jpg"]
    for number, path in enumerate(made):
        path.write_bytes(b"photo %d" % number)
    return [os.fsencode(path) for path in made]


def due(store):
    return {stage for content in range(1, 9) for stage in store.work.of(content)}


def test_the_index_contains_exactly_these_photos(store, paths):
    seen = []
    held = gallery.synchronize(store, paths, ["caption"], seen.append)
    assert sorted(held) == paths
    assert gallery.indexed_paths(store) == set(paths)
    assert len(set(held.values())) == 3
    assert seen == [3]
    assert due(store) == {"caption"}
    fewer = gallery.synchronize(store, paths[1:])
    assert gallery.indexed_paths(store) == set(paths[1:])
    assert fewer == {path: held[path] for path in paths[1:]}
    assert gallery.synchronize(store, paths) == held


def test_a_parent_folder_may_be_added_later(store, paths):
    first = gallery.synchronize(store, paths[2:])
    assert gallery.synchronize(store, paths)[paths[2]] == first[paths[2]]
    assert [root.path for root in store.roots.all()] == [os.path.dirname(paths[0])]


def test_a_changed_file_is_another_content(store, paths):
    before = gallery.synchronize(store, paths)
    with open(paths[0], "wb") as file:
        file.write(b"another photo")
    after = gallery.synchronize(store, paths)
    assert after[paths[0]] not in before.values()
    assert after[paths[1]] == before[paths[1]]


def test_a_copy_is_the_same_content(store, paths):
    shutil.copy(paths[0], paths[1])
    held = gallery.synchronize(store, paths)
    assert held[paths[0]] == held[paths[1]] != held[paths[2]]


def test_an_unreadable_file_has_no_content(store, paths):
    os.unlink(paths[0])
    os.mkfifo(paths[0])
    held = gallery.synchronize(store, paths)
    assert held[paths[0]] is None
    assert [failure.path for failure in store.failures.all()] == paths[:1]


def test_folders_may_be_symlinks(store, paths, tmp_path):
    os.symlink(tmp_path / "pictures", tmp_path / "link")
    through = os.fsencode(tmp_path / "link" / "a.jpg")
    assert gallery.synchronize(store, [through])[through] == gallery.synchronize(store, paths)[paths[0]]


def test_a_library_is_never_loaded(store, paths, tmp_path):
    gallery.reserve(store, "flickr8k")
    gallery.synchronize(store, paths)
    gallery.reserve(store, "flickr8k")
    with open_store(str(tmp_path / "library.db")) as library:
        library.roots.add(os.path.dirname(paths[0]))
        with pytest.raises(UsageError, match="is the index of a photo library"):
            gallery.reserve(library, "flickr8k")


def described(store, paths):
    held = gallery.synchronize(store, paths)
    for number, content in enumerate(held.values()):
        save(store, content, "caption", SEEN, (f"a dog {number}",))
        save(store, content, "topics", SEEN, ("pets",))
        save(store, content, "detect", SEEN, (DOG, DOG))
    return held


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        (Recipe.DETECT, " two dog ,  is in the photo . "),
        (Recipe.CAPTION, "a dog 0  is in the photo . "),
        (Recipe.BOTH, "a dog 0 two dog ,  is in the photo . "),
    ],
)
def test_a_recipe_has_only_its_part_of_the_results(store, paths, tmp_path, recipe, text):
    held = described(store, paths)
    with open_store(str(tmp_path / "derived.db")) as derived:
        found = gallery.derive(store, derived, held, recipe, EMBEDDER)
        content = found[paths[0]]
        assert gallery.passages(derived, [content]) == {content: text}
        assert set(derived.results.identities(content)) == recipe.stages & {"caption", "topics", "detect"}
        assert due(derived) == {"embed"}
        assert derived.results.names(content) == store.results.names(held[paths[0]])


def test_contents_are_embedded_again_only_after_a_change(store, paths, tmp_path):
    held = described(store, paths)
    with open_store(str(tmp_path / "derived.db")) as derived:
        found = gallery.derive(store, derived, held, Recipe.CAPTION, EMBEDDER)
        for content in found.values():
            save_vectors(derived, content, EMBEDDER, {"passage": np.eye(8, dtype=np.float32)[0]})
            derived.work.done(content, STAGES)
        assert gallery.derive(store, derived, held, Recipe.CAPTION, EMBEDDER) == found
        assert due(derived) == set()
        save(store, held[paths[0]], "detect", SEEN, ())
        gallery.derive(store, derived, held, Recipe.CAPTION, EMBEDDER)
        assert due(derived) == set()
        save(store, held[paths[1]], "caption", SEEN, ("a cat",))
        gallery.derive(store, derived, held, Recipe.CAPTION, EMBEDDER)
        assert [c for c in found.values() if derived.work.of(c)] == [found[paths[1]]]
        gallery.derive(store, derived, held, Recipe.CAPTION, ModelIdentity("embedder", "2"))
        assert all(derived.work.of(content) for content in found.values())


def test_results_are_counted_by_model(store, paths):
    held = described(store, paths)
    other = ModelIdentity("other", "2")
    save(store, held[paths[0]], "caption", other, ("x",))
    made = gallery.makers(store, held.values())
    assert made["caption"] == {other: 1, SEEN: 2}
    assert made["embed"] == {}


def test_stand_in_captions(store, paths, tmp_path):
    folder = str(tmp_path / "pictures")
    rows = (
        '{"path": "a.jpg", "caption": " a dog ", "other": 1}\n\n{"path": "a.jpg", "caption": "again"}\n'
        f'{{"path": "{os.fsdecode(paths[1])}", "caption": "a cat"}}\n{{"path": "x"}}\n'
        '{"path": "a.jpg", "caption": "a dog", "captions": ["once more", " "]}\n'
        '{"path": "inner/c.jpg", "caption": ""}\n{"path": "a.jpg", "captions": ["a", 3]}\n'
        '{"path": "a\\u0000b", "caption": "x"}\n'
    )
    file = tmp_path / "captions.jsonl"
    file.write_text(rows)
    given = stand_ins.read(str(file), folder)
    assert given.captions == {
        paths[0]: ("a dog", "again", "once more"),
        paths[1]: ("a cat",),
        paths[2]: (),
        os.path.join(os.fsencode(folder), b"a\0b"): ("x",),
    }
    assert [(problem.kind, problem.where) for problem in given.problems] == [
        (ProblemKind.MALFORMED, "captions.jsonl:5"),
        (ProblemKind.MALFORMED, "captions.jsonl:8"),
    ]
    held = gallery.synchronize(store, paths)
    for content in held.values():
        save(store, content, "caption", SEEN, ("by a model",))
    stages = {"topics", "detect"}
    assert stand_ins.put(store, held, given, stages) == 1
    captions = [stage_results.payloads(store, held[path])["caption"] for path in paths]
    assert captions == [("a dog", "again", "once more"), ("a cat",), ()]
    assert due(store) == {"topics"}
    made = gallery.makers(store, held.values())["caption"]
    assert all(stand_ins.made_by(identity) for identity in made)
    assert not stand_ins.made_by(SEEN)
    for content in held.values():
        store.work.done(content, STAGES)
    assert stand_ins.put(store, held, given, stages) == 1
    assert due(store) == set()
    file.write_text(rows.replace("a cat", "a cow"))
    assert stand_ins.read(str(file), folder).identity != given.identity


def test_a_photo_without_a_file_is_kept_until_there_is_one(store, paths, tmp_path):
    os.unlink(paths[0])
    held = gallery.synchronize(store, paths, ["caption"])
    assert len(set(held.values())) == 3
    assert set(store.work.of(held[paths[0]])) == set()
    assert gallery.synchronize(store, paths, ["caption"]) == held
    with open_store(str(tmp_path / "derived.db")) as derived:
        assert gallery.derive(store, derived, held, Recipe.CAPTION, EMBEDDER).keys() == held.keys()
    with open(paths[0], "wb") as file:
        file.write(b"there it is")
    found = gallery.synchronize(store, paths, ["caption"])
    assert found[paths[0]] not in held.values()
    assert set(store.work.of(found[paths[0]])) == {"caption"}


def test_the_paths_of_a_gallery_are_those_of_the_index(store, paths):
    gallery.synchronize(store, paths)
    for path in paths:
        found = store.photos.find(gallery.canonical(path))
        assert found is not None
        assert found.gone_at is None


def test_a_path_that_no_file_can_have_is_a_content_without_a_file(store, paths):
    long = os.path.join(os.path.dirname(paths[0]), b"x" * 300 + b".jpg")
    inside = os.path.join(paths[0], b"inside.jpg")
    held = gallery.synchronize(store, [*paths, long, inside])
    assert len(set(held.values()) - {None}) == 5
