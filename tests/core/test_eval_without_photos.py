"""Data sets whose photos are not on this disk: there are stand-ins for their results."""

import json
import os

from imgret.evaluate.dataset import ProblemKind, Query
from imgret.evaluate.dataset_formats import read

DOG, CAT = "dog.jpg", "cat.jpg"


def loaded(folder, *rows, described=(DOG, CAT)):
    path = folder / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    photos = {os.fsencode(folder / name) for name in described}
    return read(str(path), str(folder), described=photos)


def problems_of(dataset):
    return [(problem.kind, problem.where, problem.lost) for problem in dataset.problems]


def test_json_lines_with_one_query_each(tmp_path):
    found = loaded(
        tmp_path,
        {"question": "A dog .", "photo": DOG, "judged": [{"photo": CAT, "yes": 1, "of": 3}]},
        {"question": "a cat", "photo": CAT},
        {"question": "the same dog", "photo": DOG},
        {"question": "a cow"},
        {"question": 7, "photo": CAT},
    )
    assert found.photos == (DOG, CAT)
    assert found.queries == (Query(DOG, "A dog ."), Query(DOG, "the same dog"), Query(CAT, "a cat"))
    assert problems_of(found) == [(ProblemKind.MALFORMED, f"mine.jsonl:{line}", 1) for line in (4, 5)]
    assert "`photo`" in found.problems[0].what


def test_photos_with_stand_ins_need_not_exist(tmp_path):
    rows = [{"path": "in/gone.jpg", "queries": ["a"]}, {"path": "lost.jpg", "queries": ["b", "c"]}]
    found = loaded(tmp_path, *rows, described=["in/gone.jpg"])
    assert found.photos == ("in/gone.jpg",)
    assert problems_of(found) == [(ProblemKind.MISSING, "mine.jsonl:2", 2)]
