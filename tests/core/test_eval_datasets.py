"""Each format from a small real file, and the problems in it, with their lines."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.errors import UsageError
from imgret.evaluate.dataset import ProblemKind, Query
from imgret.evaluate.dataset_formats import read

DOG, CAT, SEA = "1000268201_693b08cb0e.jpg", "3000.jpg", "sea side.jpg"


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "Images"
    images.mkdir()
    for name in (DOG, CAT, SEA):
        (images / name).write_bytes(b"not looked into")
    return tmp_path


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def loaded(folder, name, text, **options):
    return read(write(folder, name, text), str(folder / "Images"), **options)


def problems_of(dataset):
    return [(problem.kind, problem.where, problem.lost) for problem in dataset.problems]


def test_flickr_tokens(folder):
    found = loaded(folder, "Flickr8k.token.txt", f"{DOG}#0\tA dog .\n{DOG}#1\tA brown dog\n{CAT}#0\tA cat\n")
    assert found.photos == (DOG, CAT)
    assert found.queries == (Query(DOG, "A dog ."), Query(DOG, "A brown dog"), Query(CAT, "A cat"))
    assert found.problems == ()
    assert found.path(CAT) == os.fsencode(str(folder / "Images" / CAT))


def test_flickr_split_list_is_found_beside_the_captions(folder):
    tokens = f"{DOG}#0\tA dog\n{CAT}#0\tA cat\n"
    write(folder, "Flickr_8k.testImages.txt", f"{CAT}\n{SEA}\n")
    write(folder, "Flickr_8k.devImages.txt", f"{DOG}\n")
    own = write(folder, "mine.txt", f"{DOG}\n{CAT}\n")
    assert loaded(folder, "t.token", tokens).photos == (
        CAT,
        SEA,
    )  # without a caption, but in the gallery
    assert loaded(folder, "t.token", tokens).split == "Flickr_8k.testImages.txt"
    assert loaded(folder, "t.token", tokens, split="dev").photos == (DOG,)
    assert loaded(folder, "t.token", tokens, split=own).photos == (DOG, CAT)
    everything = loaded(folder, "t.token", tokens, split="all")
    assert (everything.photos, everything.split) == ((DOG, CAT), "")
    own_lines = loaded(folder, "mine.jsonl", json.dumps({"path": DOG, "queries": ["dog"]}))
    assert (own_lines.photos, own_lines.split) == ((DOG,), "")  # the lists beside it belong to another file
    with pytest.raises(UsageError, match="no split nowhere"):
        loaded(folder, "t.token", tokens, split="nowhere")


def test_split_list_with_repeats_and_missing_photos(folder):
    write(folder, "Flickr_8k.testImages.txt", f"{CAT}\r\n{CAT}\r\ngone.jpg\r\n")
    found = loaded(folder, "t.token", f"{CAT}#0\tA cat\n{DOG}#0\tA dog\n")
    assert found.photos == (CAT,)
    assert problems_of(found) == [
        (ProblemKind.DUPLICATE, "Flickr_8k.testImages.txt:2", 0),
        (ProblemKind.CRLF, "Flickr_8k.testImages.txt:1", 0),
        (ProblemKind.MISSING, "Flickr_8k.testImages.txt:3", 0),
    ]


def test_kaggle_captions(folder):
    text = f'image,caption\n{DOG},"A dog , with a ""ball"" ."\n{CAT},A cat\n{CAT},A cat\n'
    found = loaded(folder, "captions.txt", text)
    assert found.queries == (Query(DOG, 'A dog , with a "ball" .'), Query(CAT, "A cat"), Query(CAT, "A cat"))
    assert found.problems == ()


def test_an_unclosed_quote_affects_its_line_only(folder):
    found = loaded(folder, "captions.txt", f'image,caption\n{DOG},"A dog\n{CAT},A cat\n{SEA},a,b\n{SEA}\n')
    assert found.queries == (Query(CAT, "A cat"),)
    assert problems_of(found) == [(ProblemKind.MALFORMED, f"captions.txt:{line}", 1) for line in (2, 4, 5)]


def karpathy(*images):
    return json.dumps({"dataset": "flickr8k", "images": list(images)})


def karpathy_image(filename, split, *captions, **more):
    sentences = [{"raw": caption, "tokens": caption.split()} for caption in captions]
    return {"filename": filename, "split": split, "sentences": sentences, "imgid": 1, **more}


def test_karpathy_uses_the_test_split(folder):
    text = karpathy(
        karpathy_image(DOG, "train", "A dog"),
        karpathy_image(CAT, "test", "A cat", " Cat "),
        karpathy_image(SEA, "val"),
    )
    assert loaded(folder, "dataset_flickr8k.json", text).queries == (Query(CAT, "A cat"), Query(CAT, "Cat"))
    assert loaded(folder, "dataset_flickr8k.json", text).split == "test"
    assert loaded(folder, "dataset_flickr8k.json", text, split="val").photos == (SEA,)
    assert loaded(folder, "dataset_flickr8k.json", text, split="all").photos == (DOG, CAT, SEA)
    with pytest.raises(UsageError, match="no split dev"):
        loaded(folder, "dataset_flickr8k.json", text, split="dev")


def test_karpathy_coco_has_folders(folder):
    (folder / "Images" / "val2014").mkdir()
    (folder / "Images" / "val2014" / "a.jpg").write_bytes(b"")
    text = karpathy(
        karpathy_image("a.jpg", "test", "Here", filepath="val2014"),
        karpathy_image(CAT, "test", "x", filepath="no"),
    )
    assert loaded(folder, "dataset_coco.json", text).photos == ("val2014/a.jpg", CAT)


def test_karpathy_reports_problems(folder):
    text = karpathy(
        karpathy_image(CAT, "test", "A cat"),
        karpathy_image(CAT, "test", "again", "and again"),
        {"filename": DOG, "split": "test"},
        karpathy_image("gone.jpg", "test", "a", "b", "c"),
        karpathy_image(SEA, "test", ""),
    )
    found = loaded(folder, "d.json", text)
    assert found.queries == (Query(CAT, "A cat"),)
    assert problems_of(found) == [
        (ProblemKind.DUPLICATE, "d.json: images[1]", 2),
        (ProblemKind.MALFORMED, "d.json: images[2]", 1),
        (ProblemKind.MALFORMED, "d.json: images[4]", 1),
        (ProblemKind.MISSING, "d.json: images[3]", 3),
    ]


def test_coco_captions(folder):
    whole = {
        "info": {"year": 2014},
        "images": [
            {"id": 9, "file_name": CAT, "height": 1},
            {"id": 5, "file_name": DOG},
            {"id": 9, "file_name": SEA},
            {"id": 7},
        ],
        "annotations": [
            {"id": 1, "image_id": 5, "caption": "A dog\n"},
            {"id": 2, "image_id": 9, "caption": "A cat"},
            {"id": 2, "image_id": 9, "caption": "Another"},
            {"id": 3, "image_id": 77, "caption": "Nobody"},
            {"id": 4, "image_id": 5},
        ],
    }
    found = loaded(folder, "captions_val2014.json", json.dumps(whole))
    assert found.photos == (CAT, DOG)
    assert found.queries == (Query(CAT, "A cat"), Query(DOG, "A dog"))
    assert problems_of(found) == [
        (ProblemKind.DUPLICATE, "captions_val2014.json: images[2]", 0),
        (ProblemKind.MALFORMED, "captions_val2014.json: images[3]", 1),
        (ProblemKind.DUPLICATE, "captions_val2014.json: annotations[2]", 1),
        (ProblemKind.MALFORMED, "captions_val2014.json: annotations[3]", 1),
        (ProblemKind.MALFORMED, "captions_val2014.json: annotations[4]", 1),
    ]
    chosen = write(folder, "few.txt", DOG)
    assert loaded(folder, "captions_val2014.json", json.dumps(whole), split=chosen).photos == (DOG,)


def test_own_json_lines(folder):
    outside = folder / "elsewhere.png"
    outside.write_bytes(b"")
    rows = [
        json.dumps({"path": DOG, "queries": ["dog:2 -cat", "a dog"]}),
        json.dumps({"path": str(outside), "queries": []}),
        json.dumps({"path": DOG, "queries": ["once more"]}),
        '{"path": "x"}',
        '{"path": 3, "queries": []}',
        "{",
        '{"path": "\\ud800.jpg", "queries": ["a"]}',
    ]
    found = loaded(folder, "mine.jsonl", "\n".join(rows))
    assert found.photos == (DOG, str(outside))
    assert found.queries == (Query(DOG, "dog:2 -cat"), Query(DOG, "a dog"))
    assert problems_of(found) == [(ProblemKind.DUPLICATE, "mine.jsonl:3", 1)] + [
        (ProblemKind.MALFORMED, f"mine.jsonl:{line}", 1) for line in (4, 5, 6, 7)
    ]


def test_bom_and_crlf_are_reported_and_lose_nothing(folder):
    text = f"\ufeff{DOG}#0\tA dog\r\n{CAT}#0\tA cat\r\n"
    found = loaded(folder, "t.token", text)
    assert [query.text for query in found.queries] == ["A dog", "A cat"]
    assert problems_of(found) == [(ProblemKind.BOM, "t.token:1", 0), (ProblemKind.CRLF, "t.token:1", 0)]
    as_json = "\ufeff" + karpathy(karpathy_image(CAT, "test", "A cat")).replace('"images"', '\n\r\n"images"')
    found = loaded(folder, "d.json", as_json)
    assert len(found.queries) == 1
    assert problems_of(found) == [(ProblemKind.BOM, "d.json:1", 0), (ProblemKind.CRLF, "d.json:2", 0)]
    found = loaded(folder, "captions.txt", f"\ufeffimage,caption\r\n{DOG},A dog\r\n")
    assert found.queries == (Query(DOG, "A dog"),)
    assert [kind for kind, _, _ in problems_of(found)] == [ProblemKind.BOM, ProblemKind.CRLF]


def test_a_line_that_is_not_utf8_is_left_out(folder):
    found = loaded(
        folder, "t.token", f"{DOG}#0\tA dog\n".encode() + b"caf\xe9.jpg#0\tx\n" + f"{CAT}#0\tB".encode()
    )
    assert [query.photo for query in found.queries] == [DOG, CAT]
    assert problems_of(found) == [(ProblemKind.MALFORMED, "t.token:2", 1)]


def test_malformed_tokens(folder):
    rows = [
        f"{DOG}#0\tA dog",
        "no tab",
        f"{DOG}\tno number",
        f"{DOG}#x\ty",
        "#0\tno name",
        f"{CAT}#0\t  ",
        "a\0b#0\tz",
    ]
    found = loaded(folder, "t.token", "\n".join(rows))
    assert len(found.queries) == 1
    assert problems_of(found) == [(ProblemKind.MALFORMED, f"t.token:{line}", 1) for line in range(2, 8)]


@pytest.mark.parametrize("name", ["captions.txt", "dataset.json"])
@pytest.mark.parametrize("text", ["", "something else\n", '{"images": 3}', "[1]"])
def test_other_files_are_refused_with_the_supported_formats(folder, name, text):
    with pytest.raises(UsageError) as refused:
        loaded(folder, name, text)
    assert name in str(refused.value)
    assert "Karpathy" in refused.value.hint


def test_a_missing_file_is_refused(folder):
    for name in ("no.txt", "no.json", "no.jsonl"):
        with pytest.raises(UsageError, match="cannot be read"):
            read(str(folder / name), str(folder))


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=12)
captioned = st.lists(st.tuples(st.sampled_from([DOG, CAT, SEA]), words), max_size=20)
as_it_is = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@as_it_is
@given(captioned)
def test_every_format_yields_the_same_captions(folder, rows):
    tokens = "".join(f"{photo}#{number}\t{text}\n" for number, (photo, text) in enumerate(rows))
    quoted = "".join('{},"{}"\n'.format(photo, text.replace('"', '""')) for photo, text in rows)
    by_photo = {}
    for photo, text in rows:
        by_photo.setdefault(photo, []).append(text)
    own = "".join(json.dumps({"path": photo, "queries": texts}) + "\n" for photo, texts in by_photo.items())
    images = karpathy(*(karpathy_image(photo, "test", *texts) for photo, texts in by_photo.items()))
    coco = {
        "images": [{"id": photo, "file_name": photo} for photo in by_photo],
        "annotations": [
            {"id": n, "image_id": photo, "caption": text} for n, (photo, text) in enumerate(rows)
        ],
    }
    read_as = [
        loaded(folder, "mine.jsonl", own),
        loaded(folder, "captions.txt", "image,caption\n" + quoted),
        loaded(folder, "captions.json", json.dumps(coco)),
    ]
    if rows:
        read_as += [loaded(folder, "t.token", tokens), loaded(folder, "dataset.json", images)]
    for found in read_as:
        assert found.problems == ()
        assert found.photos == tuple(by_photo)
        assert found.queries == tuple(Query(p, text) for p, texts in by_photo.items() for text in texts)


HEADS = {
    "t.token": f"{DOG}#0\tA\n",
    "captions.txt": f"image,caption\n{DOG},A\n",
    "mine.jsonl": json.dumps({"path": DOG, "queries": ["A"]}) + "\n",
}


@as_it_is
@given(st.sampled_from(sorted(HEADS)), st.binary(max_size=200))
def test_every_line_of_any_bytes_is_a_query_or_a_problem(folder, name, data):
    found = loaded(folder, name, HEADS[name].encode() + data)
    lines = sum(bool(line.decode("utf-8", "replace").strip()) for line in data.split(b"\n"))
    assert len(found.queries) - 1 + sum(problem.lost for problem in found.problems) == lines


@given(st.binary(max_size=100))
def test_any_other_bytes_are_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("odd")
    for name in ("d.json", "captions.txt"):
        with pytest.raises(UsageError):
            loaded(folder, name, b"!" + data)
