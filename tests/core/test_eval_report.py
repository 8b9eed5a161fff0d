"""Saved runs, their comparison, and the tables."""

import json
import os
import stat

import pytest

from imgret.errors import UsageError
from imgret.evaluate import saved, table
from imgret.evaluate.dataset import Dataset, Problem, ProblemKind, Query, first_photos, summarize
from imgret.evaluate.metrics import PhotoRank
from imgret.evaluate.recipe import Recipe
from imgret.evaluate.saved import Report, Run

QUERIES = [Query(f"{number}.jpg", f"question | {number}") for number in range(40)]


def run(recipe="both", rank="vector", answer=1.0, first=1.0):
    answers = [PhotoRank(first, 40), *[PhotoRank(answer, 40)] * (len(QUERIES) - 1)]
    return Run(recipe, rank, {"caption": [f"captioner {rank}"], "embed": ["embedder 1"]}, answers, 1.25)


def report(*runs, dataset="flickr8k", photos=40, queries=QUERIES, problems=()):
    return Report(dataset, "test", photos, 0, list(queries), list(problems), list(runs), 12.0)


def test_a_report_is_read_back_and_its_file_is_private(tmp_path):
    path = str(tmp_path / "run.json")
    problems = [Problem(ProblemKind.MISSING, "a.txt:3", "x.jpg is not there", 5)]
    missed = Run("both", "words", {}, [PhotoRank(None, 0)] * len(QUERIES), 0.0)
    before = report(run(), missed, problems=problems)
    saved.save(before, path)
    assert saved.load(path) == before
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert json.loads((tmp_path / "run.json").read_text())["runs"][0]["answers"][0] == [1.0, 40]


@pytest.mark.parametrize(
    "change", [lambda r: r["runs"][0]["answers"].pop(), lambda r: r.update(v=2), lambda r: r.pop("runs")]
)
def test_an_incomplete_file_is_refused(tmp_path, change):
    path = tmp_path / "run.json"
    saved.save(report(run()), str(path))
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(UsageError, match=r"run\.json"):
        saved.load(str(path))


def test_files_that_cannot_be_read_or_written_are_reported(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        saved.load(str(tmp_path / "none.json"))
    with pytest.raises(UsageError, match="cannot be written"):
        saved.save(report(run()), str(tmp_path / "none" / "run.json"))


def test_rows_of_equal_names_are_compared():
    first = report(run(answer=9), run(rank="words"), run(rank="bm25", answer=4))
    second = report(run(), run(rank="bm25", answer=4))
    found = saved.compare(first, second)
    assert list(found) == [("both/vector", "both/vector"), ("both/bm25", "both/bm25")]
    assert found["both/vector", "both/vector"]["R@5"].better("R@5") is True
    assert found["both/bm25", "both/bm25"]["R@5"].better("R@5") is None


def test_single_rows_and_named_rows_are_compared():
    first, second = report(run()), report(run(recipe="detect", rank="hybrid", answer=7))
    assert list(saved.compare(first, second)) == [("both/vector", "detect/hybrid")]
    both = report(run(), run(rank="words", answer=6))
    named = saved.compare(both, both, ("both/words", "both/vector"))
    assert named["both/words", "both/vector"]["R@1"].better("R@1") is True
    with pytest.raises(UsageError, match="no row both/none"):
        saved.compare(both, both, ("both/none", "both/vector"))


@pytest.mark.parametrize(
    "other",
    [
        report(run(), photos=41),
        report(Run("both", "vector", {}, run().answers[1:], 0.0), queries=QUERIES[1:]),
        report(run(recipe="detect"), run(recipe="caption")),
    ],
)
def test_reports_that_cannot_be_compared_are_refused(other):
    with pytest.raises(UsageError):
        saved.compare(report(run()), other)


def test_the_table_has_the_published_results_below_the_measured_ones():
    text = table.markdown(report(run(answer=2), run(rank="bm25"), run(recipe="detect")))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert [row[:2] for row in rows] == [
        ["recipe", "rank"],
        ["-" * len(row) for row in text.splitlines()[3].split("|")[1:3]],
        ["both", "vector"],
        ["both", "image-retrieval, published"],
        ["both", "bm25"],
        ["detect", "vector"],
        ["detect", "image-retrieval, published"],
    ]
    assert rows[2][2].startswith("2.5 [0.0, ")
    assert rows[3][2:6] == ["43.2", "69.6", "89.2", "10.76"]
    assert rows[6][2:6] == ["14.9", "33.6", "52.4", "66.95"]
    assert len({len(row) for row in rows}) == 1
    assert "- caption: captioner vector; captioner bm25" in text
    assert "does not state the photos" in text


def test_other_data_sets_have_no_published_results():
    text = table.markdown(report(run(), dataset="mine"))
    assert "published" not in text
    assert table.published("mine", "both") is None


def test_published_results_increase_with_k_and_from_recipe_to_recipe():
    for figures in table.PUBLISHED.values():
        assert set(figures) == {Recipe.DETECT, Recipe.CAPTION, Recipe.BOTH}
        for one in figures.values():
            assert 0 < one[0] < one[1] < one[2] < 1
        detect, caption, both = (figures[recipe] for recipe in (Recipe.DETECT, Recipe.CAPTION, Recipe.BOTH))
        assert detect[:3] < caption[:3] < both[:3]
        assert detect[3] > caption[3] > both[3]


def test_problems_and_unreadable_photos_are_listed_below_the_table():
    made = Report("mine", "", 40, 3, QUERIES, [Problem(ProblemKind.BOM, "a.txt:1", "odd")], [run()], 0.0)
    text = table.markdown(made)
    assert "3 photos could not be read" in text
    assert "- byte order mark: 1, no query left out" in text
    assert "  a.txt:1: odd" in text


def test_json_has_every_measure_with_its_interval():
    found = table.as_json(report(run(), run(rank="hybrid")))
    vector, hybrid = found["rows"]
    assert vector["measures"]["R@1"].value == 1
    assert vector["published"]["R@1"] == 0.432
    assert hybrid["published"] is None
    assert found["queries"] == found["photos"] == 40


def test_a_comparison_shows_which_row_is_better():
    text = table.compared(saved.compare(report(run(answer=9)), report(run())))
    row = next(line for line in text.splitlines() if line.startswith("| R@5"))
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["2.5", "100.0"]
    assert row.rstrip("| ").endswith("yes")
    assert "+97.5 [" in row
    worse = table.compared(saved.compare(report(run()), report(run(answer=9))))
    assert "no, worse" in worse
    assert table.compared_json(saved.compare(report(run()), report(run())))["rows"][0]["a"] == "both/vector"


def test_limited_to_the_first_photos():
    queries = (Query("a", "1"), Query("b", "2"), Query("a", "3"))
    whole = Dataset("mine", "/photos", ("a", "b", "c"), queries, split="test")
    few = first_photos(whole, 1)
    assert few == Dataset("mine", "/photos", ("a",), (queries[0], queries[2]), split="test")
    assert first_photos(whole, 99) == whole


def test_problems_are_counted_with_examples():
    missing = [Problem(ProblemKind.MISSING, f"t:{line}", f"{line}.jpg", lost=2) for line in range(1, 6)]
    assert summarize(
        [*missing, Problem(ProblemKind.DUPLICATE, "t:9", "x occurs before", lost=1)], examples=2
    ) == [
        "missing image: 5, 10 queries left out",
        "  t:1: 1.jpg",
        "  t:2: 2.jpg",
        "  ... and 3 more",
        "duplicate id: 1, 1 query left out",
        "  t:9: x occurs before",
    ]
