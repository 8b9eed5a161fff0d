"""`imgret eval` without weights: with captions from a file and the small offline embedder."""

import json
import os
import re

import pytest
from evaluating import evaluate, laid_out, questions, rows, stood_in, value

from imgret.errors import UsageError, WeightsMissing
from imgret.store.factory import open_store


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return laid_out(tmp_path_factory.mktemp("flickr"))


def test_without_weights_stand_in_captions_are_used(drawn, tmp_path):
    own = questions(
        tmp_path / "own.jsonl", [("IMG_0001.jpg", ["a blue triangle", "triangle"]), ("no.jpg", ["x"])]
    )
    result = stood_in(drawn, own, "--rank", "vector")
    assert result.stdout.startswith("# own: 2 queries, 1 photos")
    assert "stand-in captions captions.jsonl sha256:" in result.stdout
    assert "wordllama" in result.stdout
    assert "- missing image: 1, 1 query left out" in result.stdout
    assert "own.jsonl:2: no.jpg is not in" in result.stderr


def test_a_plot_has_the_values_of_the_table_as_bars(drawn, tmp_path):
    own = questions(
        tmp_path / "own.jsonl", [("IMG_0001.jpg", ["a blue triangle"]), ("IMG_0002.jpg", ["a circle"])]
    )
    options = (drawn, own, "--rank", "vector", "--rank", "words")
    measured = rows(stood_in(*options, "--json"))
    lines = stood_in(*options, "--plot").stdout.splitlines()
    for measure in ("R@1", "R@5", "MRR"):
        start = lines.index(measure) + 1
        drawn_bars = {}
        for line in lines[start : start + len(measured)]:
            found = re.fullmatch(r"  (\S+), (\S+) +(\d\.\d{3})( [▏▎▍▌▋▊▉█]+)?", line)
            assert found is not None, line
            drawn_bars[found[1], found[2]] = (float(found[3]), found[4] is not None)
        assert drawn_bars == {
            row: (pytest.approx(value(each, measure), abs=5e-4), value(each, measure) > 0)
            for row, each in measured.items()
        }


@pytest.mark.parametrize(
    ("dataset", "name", "title"),
    [
        ("flickr8k", "Flickr8k.token.txt", "# flickr8k: 2 queries"),
        ("flickr8k", "captions.txt", "# flickr8k: 2 queries"),
        ("flickr30k", "results_20130124.token", "# flickr30k: 2 queries"),
        ("flickr30k", "dataset_flickr30k.json", "# flickr30k, split test: 1 queries"),
        ("coco", "dataset_coco.json", "# coco, split test: 1 queries"),
        ("coco", "annotations/captions_val2017.json", "# coco: 2 queries"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_each_data_set_is_found_in_its_usual_layout(drawn, tmp_path, dataset, name, title, inside):
    pair = {"IMG_0001.jpg": "a blue triangle", "IMG_0002.jpg": "a large blue circle"}
    images = tmp_path / "images"
    images.mkdir()
    for photo in pair:
        (images / photo).write_bytes((drawn / "Images" / photo).read_bytes())
    sentences = [
        {"filename": photo, "split": "test" if "1" in photo else "train", "sentences": [{"raw": text}]}
        for photo, text in pair.items()
    ]
    coco = {
        "images": [{"id": number, "file_name": photo} for number, photo in enumerate(pair)],
        "annotations": [{"id": n, "image_id": n, "caption": text} for n, text in enumerate(pair.values())],
    }
    written = {
        ".token": "".join(f"{photo}#0\t{text}\n" for photo, text in pair.items()),
        "captions.txt": "image,caption\n" + "".join(f"{photo},{text}\n" for photo, text in pair.items()),
        "dataset_": json.dumps({"images": sentences}),
        "captions_": json.dumps(coco),
    }
    file = (images if inside else tmp_path) / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(next(text for part, text in written.items() if part in name))
    options = ("--recipe", "caption", "--rank", "words")
    options += ("--stand-in-captions", drawn / "captions.jsonl")
    result = evaluate(dataset, "--images", images, *options)
    assert result.stdout.startswith(title)
    assert (
        "published" not in result.stdout.split("Brackets:")[0]
    )  # published results belong to the rows ranked by vectors


@pytest.mark.parametrize(
    "text", ["word: -triangle", 'dog>=2 in:/x "', "after:yesterday topic:", "-", '"' * 3, "NOT OR *"]
)
def test_a_query_is_plain_text(drawn, tmp_path, text):
    own = questions(tmp_path / "own.jsonl", [("IMG_0001.jpg", [text]), ("IMG_0002.jpg", ["a circle"])])
    found = rows(stood_in(drawn, own, "--rank", "vector", "--rank", "hybrid", "--json"))
    assert all(value(row, "R@5") == 1 for (_, rank), row in found.items() if rank != "bm25")


def test_the_gallery_follows_the_options_and_descriptions_are_kept(drawn, tmp_path):
    names = sorted(os.listdir(drawn / "Images"))
    own = questions(tmp_path / "own.jsonl", [(name, ["a red circle"]) for name in names])
    store = tmp_path / "own.db"
    assert (
        json.loads(stood_in(drawn, own, "--rank", "words", "--index", store, "--json").stdout)["photos"] == 24
    )
    limited = json.loads(stood_in(drawn, own, "--index", store, "--limit", 5, "--json").stdout)
    assert (limited["photos"], limited["queries"]) == (5, 5)
    alone = json.loads(stood_in(drawn, own, "--index", tmp_path / "new.db", "--limit", 5, "--json").stdout)
    assert [row["measures"] for row in limited["rows"]] == [row["measures"] for row in alone["rows"]]


def test_copies_count_as_one_photo(drawn, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes((drawn / "Images" / "IMG_0001.jpg").read_bytes())
    own = questions(tmp_path / "own.jsonl", [("a.jpg", ["blue"]), ("b.jpg", ["triangle"])])
    captions = [{"path": name, "caption": "a blue triangle"} for name in ("a.jpg", "b.jpg")]
    (tmp_path / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in captions))
    result = evaluate(
        "jsonl", own, "--recipe", "caption", "--stand-in-captions", tmp_path / "captions.jsonl", "--json"
    )
    assert json.loads(result.stdout)["photos"] == 1
    assert all(value(row, "R@1") == 1 for row in rows(result).values())


def test_a_photo_that_cannot_be_decoded_is_a_miss_for_vectors(drawn, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "good.png").write_bytes((drawn / "Images" / "IMG_0004.png").read_bytes())
    own = questions(tmp_path / "own.jsonl", [("broken.jpg", ["a circle"]), ("good.png", ["a circle"])])
    (tmp_path / "captions.jsonl").write_text('{"path": "good.png", "caption": "a circle"}\n')
    options = ("--recipe", "caption", "--stand-in-captions", tmp_path / "captions.jsonl", "--rank", "hybrid")
    result = evaluate("jsonl", own, *options, "--json")
    assert "1 of 2 photos have no stand-in caption" in result.stderr
    assert json.loads(result.stdout)["photos"] == 2
    assert value(rows(result)["caption", "bm25"], "R@1") == 0.5


def test_compare_two_runs(drawn, tmp_path):
    names = sorted(os.listdir(drawn / "Images"))
    own = questions(tmp_path / "own.jsonl", [(name, ["a red circle"]) for name in names])
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    stood_in(drawn, own, "--rank", "vector", "--save", a)
    stood_in(drawn, own, "--rank", "words", "--save", b)
    compared = json.loads(evaluate("compare", a, b, "--json").stdout)
    assert [(row["a"], row["b"]) for row in compared["rows"]] == [("caption/bm25", "caption/bm25")]
    table = evaluate("compare", a, b, "--rows", "caption/vector", "caption/words").stdout
    assert "A: caption/vector" in table
    assert "B: caption/words" in table


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["flickr8k", "--images", "nowhere"], UsageError, "is not a folder"),
        (["flickr30k", "--images", "Images"], UsageError, "no captions of Flickr30k"),
        (["flickr8k", "--images", "Images", "--split", "dev"], UsageError, "no split dev"),
        (["flickr8k", "--images", "Images", "--recipe", "detect"], WeightsMissing, "no detections"),
        (["flickr8k", "--images", "Images", "--recipe", "caption"], WeightsMissing, "no captions"),
        (["jsonl", "empty.jsonl"], UsageError, "no usable query"),
    ],
)
def test_invalid_evaluations_are_reported(drawn, monkeypatch, arguments, error, message):
    (drawn / "empty.jsonl").write_text("")
    monkeypatch.chdir(drawn)
    with pytest.raises(error, match=message):
        evaluate(*arguments)


def test_stand_ins_of_an_earlier_run_are_not_used_as_captions(drawn, tmp_path):
    own = questions(tmp_path / "own.jsonl", [("IMG_0001.jpg", ["a blue triangle"])])
    stood_in(drawn, own, "--rank", "words")
    with pytest.raises(WeightsMissing, match="no captions"):
        evaluate("jsonl", own, "--images", drawn / "Images", "--recipe", "caption")


def test_somebody_elses_index_is_not_loaded(drawn, tmp_path):

    with open_store(str(tmp_path / "library.db")) as library:
        library.roots.add(b"/pictures")
    with pytest.raises(UsageError, match="is the index of a photo library"):
        evaluate("flickr8k", "--images", drawn / "Images", "--index", tmp_path / "library.db")


def test_several_caption_files_must_be_resolved_by_the_user(drawn, tmp_path):
    for name in ("captions_val2014.json", "captions_train2014.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match="several files of captions"):
        evaluate("coco", "--images", tmp_path)
