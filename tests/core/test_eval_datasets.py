"""Each format from a small real file, and everything that can be wrong with one, by its line."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgret.errors import UsageError
from imgret.evaluate.dataset import Query, Trouble
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


def taken(folder, name, text, **options):
    return read(write(folder, name, text), str(folder / "Images"), **options)


def wrong(dataset):
    return [(problem.kind, problem.where, problem.lost) for problem in dataset.problems]


def test_flickr_tokens(folder):
    found = taken(folder, "Flickr8k.token.txt", f"{DOG}#0\tA dog .\n{DOG}#1\tA brown dog\n{CAT}#0\tA cat\n")
    assert found.photos == (DOG, CAT)
    assert found.queries == (Query(DOG, "A dog ."), Query(DOG, "A brown dog"), Query(CAT, "A cat"))
    assert found.problems == ()
    assert found.path(CAT) == os.fsencode(str(folder / "Images" / CAT))


def test_flickr_split_list_lies_beside_the_captions(folder):
    tokens = f"{DOG}#0\tA dog\n{CAT}#0\tA cat\n"
    write(folder, "Flickr_8k.testImages.txt", f"{CAT}\n{SEA}\n")
    write(folder, "Flickr_8k.devImages.txt", f"{DOG}\n")
    own = write(folder, "mine.txt", f"{DOG}\n{CAT}\n")
    assert taken(folder, "t.token", tokens).photos == (
        CAT,
        SEA,
    )  # without a caption, yet among what is searched
    assert taken(folder, "t.token", tokens).split == "Flickr_8k.testImages.txt"
    assert taken(folder, "t.token", tokens, split="dev").photos == (DOG,)
    assert taken(folder, "t.token", tokens, split=own).photos == (DOG, CAT)
    everything = taken(folder, "t.token", tokens, split="all")
    assert (everything.photos, everything.split) == ((DOG, CAT), "")
    own_lines = taken(folder, "mine.jsonl", json.dumps({"path": DOG, "queries": ["dog"]}))
    assert (own_lines.photos, own_lines.split) == ((DOG,), "")  # lists beside it are not its own
    with pytest.raises(UsageError, match="no split nowhere"):
        taken(folder, "t.token", tokens, split="nowhere")


def test_split_list_with_repeats_and_missing_photos(folder):
    write(folder, "Flickr_8k.testImages.txt", f"{CAT}\r\n{CAT}\r\ngone.jpg\r\n")
    found = taken(folder, "t.token", f"{CAT}#0\tA cat\n{DOG}#0\tA dog\n")
    assert found.photos == (CAT,)
    assert wrong(found) == [
        (Trouble.DUPLICATE, "Flickr_8k.testImages.txt:2", 0),
        (Trouble.CRLF, "Flickr_8k.testImages.txt:1", 0),
        (Trouble.MISSING, "Flickr_8k.testImages.txt:3", 0),
    ]


def test_kaggle_captions(folder):
    text = f'image,caption\n{DOG},"A dog , with a ""ball"" ."\n{CAT},A cat\n{CAT},A cat\n'
    found = taken(folder, "captions.txt", text)
    assert found.queries == (Query(DOG, 'A dog , with a "ball" .'), Query(CAT, "A cat"), Query(CAT, "A cat"))
    assert found.problems == ()


def test_an_unclosed_quote_costs_its_own_line(folder):
    found = taken(folder, "captions.txt", f'image,caption\n{DOG},"A dog\n{CAT},A cat\n{SEA},a,b\n{SEA}\n')
    assert found.queries == (Query(CAT, "A cat"),)
    assert wrong(found) == [(Trouble.MALFORMED, f"captions.txt:{line}", 1) for line in (2, 4, 5)]


def karpathy(*images):
    return json.dumps({"dataset": "flickr8k", "images": list(images)})


def pictured(filename, split, *captions, **more):
    sentences = [{"raw": caption, "tokens": caption.split()} for caption in captions]
    return {"filename": filename, "split": split, "sentences": sentences, "imgid": 1, **more}


def test_karpathy_takes_the_test_split(folder):
    text = karpathy(
        pictured(DOG, "train", "A dog"), pictured(CAT, "test", "A cat", " Cat "), pictured(SEA, "val")
    )
    assert taken(folder, "dataset_flickr8k.json", text).queries == (Query(CAT, "A cat"), Query(CAT, "Cat"))
    assert taken(folder, "dataset_flickr8k.json", text).split == "test"
    assert taken(folder, "dataset_flickr8k.json", text, split="val").photos == (SEA,)
    assert taken(folder, "dataset_flickr8k.json", text, split="all").photos == (DOG, CAT, SEA)
    with pytest.raises(UsageError, match="no split dev"):
        taken(folder, "dataset_flickr8k.json", text, split="dev")


def test_karpathy_coco_has_folders(folder):
    (folder / "Images" / "val2014").mkdir()
    (folder / "Images" / "val2014" / "a.jpg").write_bytes(b"")
    text = karpathy(
        pictured("a.jpg", "test", "Here", filepath="val2014"), pictured(CAT, "test", "x", filepath="no")
    )
    assert taken(folder, "dataset_coco.json", text).photos == ("val2014/a.jpg", CAT)


def test_karpathy_reports_what_is_wrong(folder):
    text = karpathy(
        pictured(CAT, "test", "A cat"),
        pictured(CAT, "test", "again", "and again"),
        {"filename": DOG, "split": "test"},
        pictured("gone.jpg", "test", "a", "b", "c"),
        pictured(SEA, "test", ""),
    )
    found = taken(folder, "d.json", text)
    assert found.queries == (Query(CAT, "A cat"),)
    assert wrong(found) == [
        (Trouble.DUPLICATE, "d.json: images[1]", 2),
        (Trouble.MALFORMED, "d.json: images[2]", 1),
        (Trouble.MALFORMED, "d.json: images[4]", 1),
        (Trouble.MISSING, "d.json: images[3]", 3),
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
    found = taken(folder, "captions_val2014.json", json.dumps(whole))
    assert found.photos == (CAT, DOG)
    assert found.queries == (Query(CAT, "A cat"), Query(DOG, "A dog"))
    assert wrong(found) == [
        (Trouble.DUPLICATE, "captions_val2014.json: images[2]", 0),
        (Trouble.MALFORMED, "captions_val2014.json: images[3]", 1),
        (Trouble.DUPLICATE, "captions_val2014.json: annotations[2]", 1),
        (Trouble.MALFORMED, "captions_val2014.json: annotations[3]", 1),
        (Trouble.MALFORMED, "captions_val2014.json: annotations[4]", 1),
    ]
    chosen = write(folder, "few.txt", DOG)
    assert taken(folder, "captions_val2014.json", json.dumps(whole), split=chosen).photos == (DOG,)


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
    found = taken(folder, "mine.jsonl", "\n".join(rows))
    assert found.photos == (DOG, str(outside))
    assert found.queries == (Query(DOG, "dog:2 -cat"), Query(DOG, "a dog"))
    assert wrong(found) == [(Trouble.DUPLICATE, "mine.jsonl:3", 1)] + [
        (Trouble.MALFORMED, f"mine.jsonl:{line}", 1) for line in (4, 5, 6, 7)
    ]


def test_bom_and_crlf_are_told_and_cost_nothing(folder):
    text = f"\ufeff{DOG}#0\tA dog\r\n{CAT}#0\tA cat\r\n"
    found = taken(folder, "t.token", text)
    assert [query.text for query in found.queries] == ["A dog", "A cat"]
    assert wrong(found) == [(Trouble.BOM, "t.token:1", 0), (Trouble.CRLF, "t.token:1", 0)]
    as_json = "\ufeff" + karpathy(pictured(CAT, "test", "A cat")).replace('"images"', '\n\r\n"images"')
    found = taken(folder, "d.json", as_json)
    assert len(found.queries) == 1
    assert wrong(found) == [(Trouble.BOM, "d.json:1", 0), (Trouble.CRLF, "d.json:2", 0)]
    found = taken(folder, "captions.txt", f"\ufeffimage,caption\r\n{DOG},A dog\r\n")
    assert found.queries == (Query(DOG, "A dog"),)
    assert [kind for kind, _, _ in wrong(found)] == [Trouble.BOM, Trouble.CRLF]


def test_a_line_that_is_not_utf8_costs_itself(folder):
    found = taken(
        folder, "t.token", f"{DOG}#0\tA dog\n".encode() + b"caf\xe9.jpg#0\tx\n" + f"{CAT}#0\tB".encode()
    )
    assert [query.photo for query in found.queries] == [DOG, CAT]
    assert wrong(found) == [(Trouble.MALFORMED, "t.token:2", 1)]


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
    found = taken(folder, "t.token", "\n".join(rows))
    assert len(found.queries) == 1
    assert wrong(found) == [(Trouble.MALFORMED, f"t.token:{line}", 1) for line in range(2, 8)]


@pytest.mark.parametrize("name", ["captions.txt", "dataset.json"])
@pytest.mark.parametrize("text", ["", "something else\n", '{"images": 3}', "[1]"])
def test_no_data_set_is_refused_with_the_known_formats(folder, name, text):
    with pytest.raises(UsageError) as refused:
        taken(folder, name, text)
    assert name in str(refused.value)
    assert "Karpathy" in refused.value.hint


def test_a_file_that_is_not_there_is_refused(folder):
    for name in ("no.txt", "no.json", "no.jsonl"):
        with pytest.raises(UsageError, match="cannot be read"):
            read(str(folder / name), str(folder))


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=12)
captioned = st.lists(st.tuples(st.sampled_from([DOG, CAT, SEA]), words), max_size=20)
as_it_is = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@as_it_is
@given(captioned)
def test_the_same_captions_come_out_of_every_format(folder, rows):
    tokens = "".join(f"{photo}#{number}\t{text}\n" for number, (photo, text) in enumerate(rows))
    quoted = "".join('{},"{}"\n'.format(photo, text.replace('"', '""')) for photo, text in rows)
    by_photo = {}
    for photo, text in rows:
        by_photo.setdefault(photo, []).append(text)
    own = "".join(json.dumps({"path": photo, "queries": texts}) + "\n" for photo, texts in by_photo.items())
    images = karpathy(*(pictured(photo, "test", *texts) for photo, texts in by_photo.items()))
    coco = {
        "images": [{"id": photo, "file_name": photo} for photo in by_photo],
        "annotations": [
            {"id": n, "image_id": photo, "caption": text} for n, (photo, text) in enumerate(rows)
        ],
    }
    read_as = [
        taken(folder, "mine.jsonl", own),
        taken(folder, "captions.txt", "image,caption\n" + quoted),
        taken(folder, "captions.json", json.dumps(coco)),
    ]
    if rows:
        read_as += [taken(folder, "t.token", tokens), taken(folder, "dataset.json", images)]
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
def test_every_line_of_any_bytes_is_a_question_or_a_problem(folder, name, data):
    found = taken(folder, name, HEADS[name].encode() + data)
    lines = sum(bool(line.decode("utf-8", "replace").strip()) for line in data.split(b"\n"))
    assert len(found.queries) - 1 + sum(problem.lost for problem in found.problems) == lines


@given(st.binary(max_size=100))
def test_any_other_bytes_are_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("odd")
    for name in ("d.json", "captions.txt"):
        with pytest.raises(UsageError):
            taken(folder, name, b"!" + data)
