"""Real index files that hold exactly a data set's photos, and those derived from them."""

import os
import shutil

import numpy as np
import pytest

from imgret.errors import UsageError
from imgret.evaluate import gallery, stand_ins
from imgret.evaluate.dataset import Trouble
from imgret.evaluate.recipe import Recipe
from imgret.photo import Detection, ModelIdentity, Stage, View
from imgret.store.sqlite import failures, photos, results, roots, work
from imgret.store.sqlite.connection import Index

SEEN = ModelIdentity("seer", "1")
EMBEDDER = ModelIdentity("embedder", "1")
DOG = Detection("dog", 0.9, (0.0, 0.0, 0.5, 0.5))


@pytest.fixture
def index(tmp_path):
    with Index(str(tmp_path / "base.db")) as opened:
        yield opened


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    made = [folder / "a.jpg", folder / "b.jpg", folder / "inner" / "c.jpg"]
    for number, path in enumerate(made):
        path.write_bytes(b"photo %d" % number)
    return [os.fsencode(path) for path in made]


def due(index):
    return {stage for content in range(1, 9) for stage in work.of(index, content)}


def test_it_holds_these_photos_and_no_others(index, paths):
    seen = []
    held = gallery.hold(index, paths, [Stage.CAPTION], seen.append)
    assert sorted(held) == paths
    assert gallery.held(index) == set(paths)
    assert len(set(held.values())) == 3
    assert seen == [3]
    assert due(index) == {Stage.CAPTION}
    fewer = gallery.hold(index, paths[1:])
    assert gallery.held(index) == set(paths[1:])
    assert fewer == {path: held[path] for path in paths[1:]}
    assert gallery.hold(index, paths) == held


def test_the_folder_above_may_come_later(index, paths):
    first = gallery.hold(index, paths[2:])
    assert gallery.hold(index, paths)[paths[2]] == first[paths[2]]
    assert [root.path for root in roots.roots(index)] == [os.path.dirname(paths[0])]


def test_what_changed_on_disk_is_another_content(index, paths):
    before = gallery.hold(index, paths)
    with open(paths[0], "wb") as file:
        file.write(b"another photo")
    after = gallery.hold(index, paths)
    assert after[paths[0]] not in before.values()
    assert after[paths[1]] == before[paths[1]]


def test_a_copy_is_the_same_content(index, paths):
    shutil.copy(paths[0], paths[1])
    held = gallery.hold(index, paths)
    assert held[paths[0]] == held[paths[1]] != held[paths[2]]


def test_what_cannot_be_read_has_no_content(index, paths):
    os.unlink(paths[0])
    os.mkfifo(paths[0])
    held = gallery.hold(index, paths)
    assert held[paths[0]] is None
    assert [failure.path for failure in failures.failures(index)] == paths[:1]


def test_folders_may_be_reached_by_a_link(index, paths, tmp_path):
    os.symlink(tmp_path / "pictures", tmp_path / "link")
    through = os.fsencode(tmp_path / "link" / "a.jpg")
    assert gallery.hold(index, [through])[through] == gallery.hold(index, paths)[paths[0]]


def test_a_library_is_never_taken(index, paths, tmp_path):
    gallery.claim(index, "flickr8k")
    gallery.hold(index, paths)
    gallery.claim(index, "flickr8k")
    with Index(str(tmp_path / "library.db")) as library:
        roots.add(library, os.path.dirname(paths[0]))
        with pytest.raises(UsageError, match="is a library of photos"):
            gallery.claim(library, "flickr8k")


def described(index, paths):
    held = gallery.hold(index, paths)
    for number, content in enumerate(held.values()):
        results.save_caption(index, content, SEEN, f"a dog {number}")
        results.save_topics(index, content, SEEN, ["pets"])
        results.save_detections(index, content, SEEN, [DOG, DOG], {"dog": 2})
    return held


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        (Recipe.DETECT, " two dog ,  is in the photo . "),
        (Recipe.CAPTION, "a dog 0  is in the photo . "),
        (Recipe.BOTH, "a dog 0 two dog ,  is in the photo . "),
    ],
)
def test_a_recipe_has_its_part_and_no_more(index, paths, tmp_path, recipe, text):
    held = described(index, paths)
    with Index(str(tmp_path / "derived.db")) as derived:
        found = gallery.derive(index, derived, held, recipe, EMBEDDER)
        content = found[paths[0]]
        assert gallery.passages(derived, [content]) == {content: text}
        assert set(results.identities(derived, content)) == recipe.stages
        assert due(derived) == {Stage.EMBED}
        assert results.names(derived, content) == results.names(index, held[paths[0]])


def test_what_is_embedded_is_not_embedded_again_until_it_changes(index, paths, tmp_path):
    held = described(index, paths)
    with Index(str(tmp_path / "derived.db")) as derived:
        found = gallery.derive(index, derived, held, Recipe.CAPTION, EMBEDDER)
        for content in found.values():
            results.save_vectors(derived, content, EMBEDDER, {View.PASSAGE: np.eye(8, dtype=np.float32)[0]})
            work.done(derived, content, Stage)
        assert gallery.derive(index, derived, held, Recipe.CAPTION, EMBEDDER) == found
        assert due(derived) == set()
        results.save_detections(index, held[paths[0]], SEEN, [], {})
        gallery.derive(index, derived, held, Recipe.CAPTION, EMBEDDER)
        assert due(derived) == set()
        results.save_caption(index, held[paths[1]], SEEN, "a cat")
        gallery.derive(index, derived, held, Recipe.CAPTION, EMBEDDER)
        assert [c for c in found.values() if work.of(derived, c)] == [found[paths[1]]]
        gallery.derive(index, derived, held, Recipe.CAPTION, ModelIdentity("embedder", "2"))
        assert all(work.of(derived, content) for content in found.values())


def test_makers_are_counted(index, paths):
    held = described(index, paths)
    other = ModelIdentity("other", "2")
    results.save_caption(index, held[paths[0]], other, "x")
    made = gallery.makers(index, held.values())
    assert made[Stage.CAPTION] == {other: 1, SEEN: 2}
    assert made[Stage.EMBED] == {}


def test_stand_in_captions(index, paths, tmp_path):
    folder = str(tmp_path / "pictures")
    rows = (
        '{"path": "a.jpg", "caption": " a dog ", "other": 1}\n\n{"path": "a.jpg", "caption": "again"}\n'
        f'{{"path": "{os.fsdecode(paths[1])}", "caption": "a cat"}}\n{{"path": "x"}}\n'
    )
    file = tmp_path / "captions.jsonl"
    file.write_text(rows)
    given = stand_ins.read(str(file), folder)
    assert given.captions == {paths[0]: "a dog", paths[1]: "a cat"}
    assert [(problem.kind, problem.where) for problem in given.problems] == [
        (Trouble.DUPLICATE, "captions.jsonl:3"),
        (Trouble.MALFORMED, "captions.jsonl:5"),
    ]
    held = gallery.hold(index, paths)
    for content in held.values():
        results.save_caption(index, content, SEEN, "by a model")
    stages = {Stage.TOPICS, Stage.DETECT}
    assert stand_ins.put(index, held, given, stages) == 1
    told = [results.description(index, held[path]).caption for path in paths]
    assert told == ["a dog", "a cat", ""]
    assert due(index) == {Stage.TOPICS}
    made = gallery.makers(index, held.values())[Stage.CAPTION]
    assert all(stand_ins.made_by(identity) for identity in made)
    assert not stand_ins.made_by(SEEN)
    for content in held.values():
        work.done(index, content, Stage)
    assert stand_ins.put(index, held, given, stages) == 1
    assert due(index) == set()
    file.write_text(rows.replace("a cat", "a cow"))
    assert stand_ins.read(str(file), folder).identity != given.identity


def test_the_paths_of_a_gallery_are_those_of_the_index(index, paths):
    gallery.hold(index, paths)
    for path in paths:
        found = photos.find(index, gallery.resolved(path))
        assert found is not None
        assert found.gone_at is None
