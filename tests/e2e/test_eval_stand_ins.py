"""`imgret eval` with captions and image vectors from files, and without photos."""

import json

import numpy as np
import pytest
from evaluating import evaluate, rows, value

from imgret.errors import UsageError, WeightsMissing

PHOTOS = {"dog.jpg": "a dog", "in/cat.jpg": "a cat", "sea.jpg": "the sea", "car.jpg": "a red car"}
QUESTIONS = ["a hound", "a kitten", "waves", "an automobile"]


@pytest.fixture
def folder(tmp_path):
    """Write vectors with which each query finds its photo, and captions."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((4, 16))
    save(tmp_path / "seen.npz", vectors, vectors + 0.1 * rng.standard_normal((4, 16)))
    lines = [{"path": path, "caption": text} for path, text in PHOTOS.items()]
    lines.append({"path": "dog.jpg", "caption": "a hound on grass"})
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def save(path, images, vectors, **more):
    arrays = {"names": np.array(list(PHOTOS)), "questions": np.array(QUESTIONS), **more}
    np.savez(path, images=images.astype(np.float16), vectors=vectors.astype(np.float16), **arrays)


def test_all_recipes_and_rankings_without_any_photo(folder):
    stand_in = ("--stand-in-captions", folder / "captions.jsonl")
    result = evaluate("npz", folder / "seen.npz", *stand_in, "--json")
    found = rows(result)
    texts = ("vector", "words", "hybrid", "bm25")
    assert set(found) == {
        *(("caption", rank) for rank in texts),
        ("image", "image"),
        *((recipe, rank) for recipe in ("both", "all") for rank in ("image", *texts)),
    }
    assert all(value(found[recipe, "image"], "R@1") == 1 for recipe in ("image", "both", "all"))
    assert value(found["both", "hybrid"], "R@1") == 1
    assert value(found["caption", "words"], "R@1") == 0.25  # of the second caption of a photo
    assert found["image", "image"]["models"].keys() == {"image"}
    assert "the recipe detect is left out, because there are no detections" in result.stderr
    report = json.loads(result.stdout)
    assert (report["queries"], report["photos"], report["unreadable"]) == (4, 4, 0)
    again = rows(evaluate("npz", folder / "seen.npz", *stand_in, "--json"))
    assert {name: row["measures"] for name, row in again.items()} == {
        name: row["measures"] for name, row in found.items()
    }


def test_the_ranking_by_images_alone(folder):
    image = ("npz", folder / "seen.npz", "--rank", "image", "--json")
    captions = ("--stand-in-captions", folder / "captions.jsonl")
    found = rows(evaluate(*image, *captions))
    assert {name for name in found if name[1] != "bm25"} == {(r, "image") for r in ("image", "both", "all")}
    assert all(value(row, "R@1") == 1 for (_, rank), row in found.items() if rank == "image")
    with pytest.raises(UsageError, match="the recipe caption cannot be ranked by image"):
        evaluate(*image, *captions, "--recipe", "caption")


def test_vectors_beside_a_data_set_of_json_lines(folder):
    lines = [
        {"question": "waves", "photo": "sea.jpg"},
        {"question": "a wave", "photo": "sea.jpg"},
        {"question": "a hound", "photo": "dog.jpg"},
        {"path": "new.jpg", "queries": ["a kitten"]},
    ]
    (folder / "mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "new.jpg").write_bytes(b"no picture")
    result = evaluate("jsonl", folder / "mine.jsonl", "--stand-in-vectors", folder / "seen.npz", "--json")
    assert "query without a vector: 1, 1 query left out" in result.stderr
    assert "seen.npz: there is no vector for the query: a wave" in result.stderr
    assert "1 of 3 photos have no stand-in vector" in result.stderr
    found = rows(result)
    assert json.loads(result.stdout)["queries"] == 3
    assert value(found["image", "image"], "R@1") == pytest.approx(2 / 3)


def test_results_of_other_files_are_not_mixed(folder):
    index = ("--index", folder / "eval.db", "--json")
    both = ("--stand-in-captions", folder / "captions.jsonl")
    first = rows(evaluate("npz", folder / "seen.npz", *both, *index))
    save(folder / "other.npz", np.eye(4, 8), np.eye(4, 8)[::-1])
    other = rows(evaluate("npz", folder / "other.npz", *both, *index, "--index", folder / "eval.db"))
    assert value(other["both", "image"], "R@1") == 0
    assert all("other.npz" in name for name in other["all", "image"]["models"]["image"])
    (folder / "mine.jsonl").write_text(
        "".join(
            json.dumps({"path": path, "queries": [text]}) + "\n"
            for path, text in zip(PHOTOS, QUESTIONS, strict=True)
        )
    )
    without = rows(evaluate("jsonl", folder / "mine.jsonl", *both, *index))
    assert {recipe for recipe, _ in without} == {"caption", "all"}
    assert "image" not in without["all", "hybrid"]["models"]
    once_more = rows(evaluate("npz", folder / "seen.npz", *both, *index))
    assert {name: row["measures"] for name, row in once_more.items()} == {
        name: row["measures"] for name, row in first.items()
    }


def test_captions_may_be_corrected(folder):
    index = ("--index", folder / "eval.db", "--recipe", "caption", "--json")
    stand_in = ("--stand-in-captions", folder / "captions.jsonl")
    first = rows(evaluate("npz", folder / "seen.npz", *stand_in, *index))
    text = (folder / "captions.jsonl").read_text()
    (folder / "captions.jsonl").write_text(
        text.replace("a hound on grass", "nothing").replace("a cat", "a kitten")
    )
    second = rows(evaluate("npz", folder / "seen.npz", *stand_in, *index))
    (folder / "captions.jsonl").write_text(
        text.replace('"a hound on grass"', '""').replace("the sea", "big waves")
    )
    third = rows(evaluate("npz", folder / "seen.npz", *stand_in, *index))
    for found, ranked in ((first, 1), (second, 1), (third, 1)):
        assert value(found["caption", "words"], "R@1") == ranked / 4
    assert value(third["caption", "bm25"], "R@1") == 0.25
    fresh = evaluate("npz", folder / "seen.npz", *stand_in, *index, "--index", folder / "new.db")
    assert {name: row["measures"] for name, row in rows(fresh).items()} == {
        name: row["measures"] for name, row in third.items()
    }


def test_queries_may_name_their_photos(folder):
    vectors = np.eye(4, 8)
    photos = np.array(["in/cat.jpg", "dog.jpg", "dog.jpg", "away.jpg"])
    save(folder / "seen.npz", vectors, vectors[[1, 0, 0, 2]], photos=photos)
    result = evaluate("npz", folder / "seen.npz", "--json")
    assert (json.loads(result.stdout)["queries"], json.loads(result.stdout)["photos"]) == (3, 4)
    assert "seen.npz: questions[3]: its photo away.jpg is not in names" in result.stderr
    assert value(rows(result)["image", "image"], "R@1") == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["npz", "absent.npz"], UsageError, "absent.npz cannot be read"),
        (["npz", "captions.jsonl"], UsageError, "captions.jsonl is not an .npz file"),
        (["npz", "seen.npz", "--stand-in-vectors", "seen.npz"], UsageError, "does not go with"),
        (["npz", "seen.npz", "--recipe", "detect"], WeightsMissing, "there are no detections"),
        (["npz", "seen.npz", "--recipe", "both"], WeightsMissing, "there are no captions"),
        (
            ["npz", "seen.npz", "--recipe", "image", "--rank", "words"],
            UsageError,
            "cannot be ranked by words",
        ),
        (["npz", "few.npz"], UsageError, "has 2 questions for 4 photos"),
        (["npz", "twice.npz"], UsageError, "the photo ./dog.jpg twice"),
        (["jsonl", "other.jsonl", "--stand-in-vectors", "seen.npz"], UsageError, "none of the 1 queries"),
        (["jsonl", "lost.jsonl", "--stand-in-vectors", "seen.npz"], UsageError, "contains no usable query"),
        (["jsonl", "there.jsonl", "--stand-in-vectors", "seen.npz"], UsageError, "none of the 1 photos"),
    ],
)
def test_vectors_that_do_not_fit_are_reported(folder, monkeypatch, arguments, error, message):
    monkeypatch.chdir(folder)
    vectors = np.eye(4, 8)
    save("few.npz", vectors, vectors[:2], questions=np.array(QUESTIONS[:2]))
    save("twice.npz", vectors, vectors, names=np.array(["dog.jpg", "a", "b", "./dog.jpg"]))
    (folder / "there.jpg").write_bytes(b"no picture")
    (folder / "other.jsonl").write_text('{"path": "dog.jpg", "queries": ["something else"]}')
    (folder / "lost.jsonl").write_text('{"path": "lost.jpg", "queries": ["waves"]}')
    (folder / "there.jsonl").write_text('{"path": "there.jpg", "queries": ["waves"]}')
    with pytest.raises(error, match=message):
        evaluate(*arguments)
