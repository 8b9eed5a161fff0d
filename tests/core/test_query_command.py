"""`imgret query` in this process, on an index made by hand: its options, outputs and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgret.cli import hit_output
from imgret.cli.commands import run
from imgret.config import Settings, places
from imgret.errors import WeightsError
from imgret.photo import ModelIdentity
from imgret.search.request import SearchRequest
from imgret.search.service import SearchService
from imgret.store.interface import Store

Query = Callable[..., tuple[int, str, str]]


@pytest.fixture
def query(store: Store, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Query:
    monkeypatch.setenv("IMGRET_INDEX", store.path)

    def search(*arguments: str) -> tuple[int, str, str]:
        code = run(["query", *arguments])
        output = capfdbinary.readouterr()
        return code, os.fsdecode(output.out), output.err.decode()

    return search


@pytest.fixture(autouse=True)
def library(add: Callable[..., int]) -> None:
    add(
        "2019/a.jpg",
        caption="a picture of two giraffes by a tree",
        objects={"giraffe": 2},
        taken_at=1560000000,
    )
    add("2020/b.png", caption="a picture of a red bus in a street", note="Rosa", format="PNG", camera="Canon")
    add("c.jpg", caption="a picture of a giraffe in a zoo", objects={"giraffe": 1}, taken_at=1600000000)


def test_paths_best_first(query: Query) -> None:
    code, out, _ = query("two", "giraffes", "by", "a", "tree")
    assert code == 0
    assert out.splitlines()[0] == "/photos/2019/a.jpg"
    assert query("-0", "red bus", "-k", "1")[:2] == (0, "/photos/2020/b.png\0")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--after", "2020"], ["c"]),
        (["--before", "2020"], ["a"]),
        (["--on", "2019-06"], ["a"]),
        (["--in", "/photos/2020"], ["b"]),
        (["--name", "*.png"], ["b"]),
        (["--camera", "canon"], ["b"]),
        (["--has", "note"], ["b"]),
        (["--file-format", "png"], ["b"]),
        (["giraffe>=2"], ["a"]),
        (["giraffe:", "-tree"], ["c"]),
        (["--has", "date", "-zoo"], ["a"]),
        (["-on:2019", "giraffe:"], ["c"]),
        (["-keyword:0", "-h1", "-k1", "giraffe>=2"], ["a"]),
        (["-k1", "giraffe>=2", "-kite", "-hat"], ["a"]),
        (["giraffe:", "-on:2020", "-k5"], ["a"]),
    ],
)
def test_options_are_filters(query: Query, options: list[str], found: list[str]) -> None:
    code, out, _ = query("--json", *options)
    assert code == 0
    assert [Path(json.loads(line)["path"]).stem for line in out.splitlines()] == found


def test_a_photo_and_a_negative_text(query: Query, store: Store) -> None:
    _, out, _ = query("--json", "--like", "/photos/2019/a.jpg")
    assert json.loads(out.splitlines()[0])["path"] == "/photos/c.jpg"
    assert "/photos/2019/a.jpg" not in out
    _, out, _ = query("giraffe", "--not", "a zoo", "--rank", "vector", "--min", "weak")
    assert out.splitlines()[0] == "/photos/2019/a.jpg"
    assert query("giraffe", "--not", " ")[:2] == query("giraffe")[:2]  # a variable that is not set
    code, out, _ = query("--not", "", "--json")
    assert (code, len(out.splitlines())) == (0, len(query("--sort", "path", "--json")[1].splitlines()))
    code, out, err = query("--like", "/photos/nowhere.jpg")
    assert (code, out) == (2, "")
    assert "nowhere.jpg" in err


def test_a_known_photo_is_compared_without_an_embedder(store: Store) -> None:
    class Missing:
        def encoder(self, stage: str, wanted: ModelIdentity) -> Any:
            raise WeightsError(f"{wanted.name} is not here")

        def for_query_image(self, stages: Any) -> Any:
            raise AssertionError("a known photo needs no model")

    service = SearchService(store, Settings(), places(), encoders=Missing())
    found = service.find(SearchRequest(like="/photos/2019/a.jpg", rank="vector"))
    assert found.hits[0].path == b"/photos/c.jpg"
    assert not any("words" in note for note in found.notes)
    expected = service.find(SearchRequest(like="/photos/2019/a.jpg", text="a giraffe"))
    assert any(note.startswith("only words were searched") for note in expected.notes)


def test_a_batch(query: Query, tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("red bus\n\nhas:wings\ngiraffe>=2\n")
    code, out, err = query("--batch", str(file), "--json", "-k", "1")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["question_number"], line["question"]) for line in lines] == [
        (0, "red bus"),
        (1, ""),
        (3, "giraffe>=2"),
    ]
    assert lines[2]["path"] == "/photos/2019/a.jpg"
    assert "query 2" in err
    assert code == 2
    many = tmp_path / "many.txt"
    many.write_text("red bus\n" * 40)
    code, out, _ = query("--batch", str(many), "--json", "-k", "1")
    assert code == 0
    assert [json.loads(line)["question_number"] for line in out.splitlines()] == list(range(40))


@pytest.mark.parametrize("options", [[], ["--json"], ["-0"]])
def test_an_empty_result_names_the_filter(query: Query, options: list[str]) -> None:
    code, out, err = query(*options, "giraffe", "--in", "Lisbon")
    assert (code, out) == (1, "")
    assert "no indexed photo is in a folder Lisbon" in err
    assert "no photo shows 'zebra'" in query(*options, "zebra>=1")[2]
    assert "no photo has topics yet" in query(*options, "--topic", "food")[2]


def test_a_word_with_a_colon_is_a_word(query: Query) -> None:
    code, out, err = query("street:red")
    assert code == 0
    assert out.splitlines()[0] == "/photos/2020/b.png"
    assert "street: is no filter" in err


def test_nothing_good_enough(query: Query) -> None:
    code, out, err = query("--min", "strong", "theory of relativity")
    assert (code, out) == (1, "")
    assert "nothing matches well enough" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "what are you looking for"),
        (["a", "--rank", "best"], "hybrid"),
        (["a", "--min", "superb"], "strong"),
        (["aftr:2019"], "Did you mean after"),
        (["a", "--after", "soon"], "no date"),
        (["a", "--batch", "-"], "--batch"),
        (["--batch", "/nowhere"], "cannot be read"),
        (["a", "--json", "-0"], "one of"),
        (["a", "--preview"], "terminal"),
        (["--like", "/photos/c.jpg", "--rank", "words"], "--like"),
    ],
)
def test_invalid_queries(query: Query, arguments: list[str], expected: str) -> None:
    code, out, err = query(*arguments)
    assert (code, out) == (2, "")
    assert expected in err


def test_a_count_is_of_what_matches(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    found = query("-0", "giraffes", "--min-strength", "fair")[1].count("\0")
    assert query("--count", "giraffes")[:2] == (0, f"{found}\n")
    with monkeypatch.context() as patched:
        patched.delattr(
            "imgret.search.describe_hits.describe"
        )  # nothing is read of photos that are only counted
        assert query("--count", "has:date")[:2] == (0, "2\n")
        assert query("--count", "has:date", "-k", "1")[:2] == (0, "1\n")
        patched.delattr("imgret.stage_results.described")
        assert query("--count", "giraffes")[:2] == (0, f"{found}\n")
    assert query("--count")[:2] == (0, query("--count", "name:.")[1])
    assert query("--count", "")[0] == 2  # a variable that is not set
    code, out, _ = query("--count", "name:nowhere")
    assert (code, out) == (1, "0\n")


@pytest.mark.parametrize("quick", [True, False])
def test_a_count_that_may_be_too_small_is_reported(
    query: Query, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [] if quick else ["--has", "caption"]
    for most, is_reported in ((4, False), (3, True)):
        monkeypatch.setattr(hit_output, "MOST", most)
        code, out, err = query("--count", "name:.", *more)
        assert (code, out) == (0, "3\n")
        assert ("there may be more: only the best 3 are counted\n" in err) == is_reported


def test_hits_in_another_order_and_form(query: Query) -> None:
    assert query("--sort", "date", "has:date")[1] == "/photos/c.jpg\n/photos/2019/a.jpg\n"
    assert query("--sort", "path", "has:date")[1] == "/photos/2019/a.jpg\n/photos/c.jpg\n"
    assert query("--format", r"{taken_at}\t{name}", "-0", "--first", "giraffe>=2")[1] == (
        "2019-06-08T13:20:00\ta.jpg\0"
    )
    code, out, err = query("--format", "{colour}", "has:date")
    assert (code, out) == (2, "")
    assert "there is no field colour" in err


def test_sorting_chooses_among_all_that_pass_if_nothing_is_ranked(
    query: Query, add: Callable[..., int]
) -> None:
    add("old/z.jpg", caption="a picture of a giraffe", taken_at=1000000000)
    in_order = ["/photos/2019/a.jpg", "/photos/2020/b.png", "/photos/c.jpg", "/photos/old/z.jpg"]
    by_date = ["/photos/c.jpg", "/photos/2019/a.jpg", "/photos/old/z.jpg", "/photos/2020/b.png"]
    for count in range(1, 5):
        limit = ("-k", str(count))
        assert query("--sort", "path", *limit)[1].splitlines() == in_order[:count]
        assert query("--sort", "date", *limit)[1].splitlines() == by_date[:count]
    assert query("--sort", "path", "giraffe:", "--first")[1] == "/photos/2019/a.jpg\n"
    assert query("--sort", "path", "--in", "/photos/old", "-0")[1] == "/photos/old/z.jpg\0"


def test_the_best_hits_are_chosen_before_they_are_sorted(query: Query) -> None:
    for rank in ("hybrid", "words"):
        best = query("red bus", "--json", "-k", "2", "--rank", rank)[1].splitlines()
        by_path = query("red bus", "--json", "-k", "2", "--rank", rank, "--sort", "path")[1].splitlines()
        assert sorted(best, key=lambda line: json.loads(line)["path"]) == by_path
        assert json.loads(best[0])["path"] == "/photos/2020/b.png"


def test_sorting_an_empty_question_is_refused(query: Query) -> None:
    for question in ("", " "):
        code, out, err = query("--sort", "date", question)
        assert (code, out) == (2, "")
        assert "what are you looking for?" in err
    code, out, err = query("--sort", "size", "bus")
    assert (code, out) == (2, "")
    assert "must be one of score, date, path" in err


@pytest.mark.parametrize("quick", [True, False])
def test_a_terminal_gets_lines_for_people(quick: bool, store: Store) -> None:
    more = [] if quick else ["--has", "caption"]
    environ = {**os.environ, "IMGRET_INDEX": store.path, "TERM": "xterm", "NO_COLOR": "1"}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "imgret", "query", "-k", "1", *more, "two giraffes by a tree"]
    subprocess.run(command, stdout=theirs, env=environ, check=True, cwd="/")
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO at the end
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    first, caption, why = shown.decode().splitlines()
    assert re.fullmatch(r" 1\. strong .*file://[^/]*/photos/2019/a\.jpg.*/photos/2019/a\.jpg.*", first)
    assert caption == "    a picture of two giraffes by a tree"
    assert why.startswith("    ")
    assert why.endswith("2019-06-08")


def test_a_number_of_hits_behind_the_words_is_no_excluded_word(store: Store) -> None:
    environ = {**os.environ, "IMGRET_INDEX": store.path}
    command = [sys.executable, "-m", "imgret", "query", "--min-strength", "weak", "giraffe", "-k1", "-hat"]
    found = subprocess.run(command, stdout=subprocess.PIPE, env=environ, check=True, cwd="/")
    assert found.stdout.count(b"\n") == 1
