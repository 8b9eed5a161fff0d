"""Text that is not UTF-8, lines that are no notes, and invalid queries: each fails alone."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Library, draw, imgret, imgret_process

from imgret import inputs
from imgret.search import parse

LATIN = b"caf\xe9"


@pytest.fixture
def cafe(empty: Library) -> Library:
    """Two photos, one of them with a name in Latin-1; the offline embedder."""
    draw(empty.photos / "good.png", "red", "circle", "white")
    draw(Path(os.fsdecode(os.fsencode(empty.photos) + b"/" + LATIN + b".png")), "blue", "square", "black")
    assert empty.index().code == 0
    return empty


@pytest.mark.parametrize(
    "words",
    [[LATIN], [b"--json", LATIN + b" \xff"], [b"--not", LATIN, b"photos"], [b'"' + LATIN + b'"'], [LATIN + b">=2"],
     [b"2:" + LATIN, b"dog"], [b"dog", b"-" + LATIN], [b"camera:" + LATIN], [b"topic:" + LATIN], [b"format:\xe9"],
     [LATIN + b":x"], [b"on:" + LATIN], [b"in:/" + LATIN, b"dog"], [b"--camera", LATIN], [b"--rank", b"words", LATIN]],
    ids=repr,
)  # fmt: skip
def test_a_query_that_is_not_utf8_is_searched_or_refused(cafe: Library, words: list[bytes]) -> None:
    done = imgret("query", *map(os.fsdecode, words))
    assert done.code in (0, 1, 2), done.err
    assert "reason that it does not know" not in done.err
    for line in done.out.splitlines():
        line.decode() if b"--json" in words else os.fsdecode(line)


def test_names_that_are_not_utf8_are_found_by_their_bytes_and_words_by_their_letters(cafe: Library) -> None:
    path = os.fsencode(cafe.photos) + b"/" + LATIN + b".png"
    for query in ([b"name:" + LATIN], [b"--name", LATIN], [b"name:CAF\xe9"], [b"name:" + LATIN + b"*"]):
        done = imgret_process("query", "-0", *query)
        assert (done.code, done.out) == (0, path + b"\0"), (query, done.err)
    assert imgret("query", "name:caf\N{LATIN SMALL LETTER E WITH ACUTE}").code == 1
    assert imgret_process("note", path, b"Anna im " + LATIN).code == 0
    assert imgret_process("note", path).out == "Anna im café\n".encode()
    for query in (LATIN, "café".encode()):
        assert imgret_process("query", "-0", "--rank", "words", query).out == path + b"\0"
    assert imgret_process("show", path).code == 0
    hits = imgret("query", "--json", "--rank", "words", "café").objects
    assert base64.b64decode(hits[0]["path_bytes"]) == path


def hostile(photo: str) -> dict[str, bytes]:
    """Lines of an import that are no notes."""

    def line(**keys: Any) -> bytes:
        return json.dumps(keys).encode()

    return {
        "bad base64": line(path="x", path_bytes="a", note="n"),
        "base64 not ASCII": '{"path":"x","path_bytes":"é","note":"n"}'.encode(),
        "base64 with a NUL": line(path="x", path_bytes="L2EAYg==", note="n"),
        "base64 a number": line(path="x", path_bytes=7, note="n"),
        "NUL in the path": line(path="/a\0b.png", note="n"),
        "surrogate in the path": b'{"path":"/a\\ud800b.png","note":"n"}',
        "surrogate in a key": b'{"path":"/a.png","\\ud800":"n"}',
        "long path": line(path="/" + "a" * 900_000, note="n"),
        "long name": line(path=f"{photo}{'a' * 300}", note="n"),
        "empty path": line(path="", note="n"),
        "user": line(path="~\0x/y", note="n"),
        "user of no name": b'{"path":"~\\udcff/y","note":"n"}',
        "not UTF-8": b'{"path":"/a\xff.png","note":"n"}',
        "UTF-16": '{"path":"/a.png"}'.encode("utf-16"),
        "binary": bytes(range(256)).replace(b"\n", b""),
        "NULs": b"\0" * 100,
        "nested": b'{"path":"/a","z":' + b"[" * 100_000,
        "list": b"[" * 500 + b"]" * 500,
        "object": b"{}",
        "number": b"1",
        "huge number": b"9" * 5000,
        "NaN": b"NaN",
        "text": b'"a"',
        "half": b'{"path":"/a.png","note":',
        "two": line(path="/a.png") + line(path="/b.png"),
        "note a number": line(path=photo, note=7),
        "note a list": line(path=photo, note=["n"]),
        "huge note": line(path=photo, note="w " * 100_000),
        "huge line": line(path=photo, note="w " * 2_500_000),
        "unknown": line(path="/nowhere.png", note="n"),
        "folder": line(path=os.path.dirname(photo), note="n"),
    }


def test_every_bad_line_of_an_import_is_reported_and_only_it_is_skipped(
    cafe: Library, tmp_path: Path
) -> None:
    photo = str(cafe.photos / "good.png")
    bad = hostile(photo)
    source = tmp_path / "notes.jsonl"
    lines = [json.dumps({"path": photo, "note": "first"}).encode()]
    for line in bad.values():
        lines += [line, b"\r"]  # an empty line between them
    good = [
        b'{"path":"%s","note":"x\\udc00y\\u0000z","note":"last wins"}' % photo.encode(),
        json.dumps({"path": "?", "path_bytes": base64.b64encode(
            os.fsencode(cafe.photos) + b"/" + LATIN + b".png").decode(), "note": "x\udce9\0y"}).encode(),
    ]  # fmt: skip
    source.write_bytes(
        b"\xef\xbb\xbf" + b"\r\n".join([*lines, *good])
    )  # a BOM, CRLF, and no newline at the end
    done = imgret("note", "--import", source)
    assert done.code == 1
    assert f"3 notes saved, {len(bad)} lines skipped" in done.err
    for number, name in enumerate(bad):
        assert f"{source}, line {2 + 2 * number}: " in done.err, name
    assert max(map(len, done.err.splitlines())) < 500
    assert "reason that it does not know" not in done.err
    assert cafe.shown("good.png")["note"] == "last wins"
    assert cafe.rows("SELECT text FROM note WHERE text LIKE 'x%'") == [("xé\ufffdy",)]


@pytest.mark.parametrize("command", [["tag", "{}", "-x"], ["note", "-dash.png", "x"], ["show", "-dash.png"]])
def test_a_word_that_begins_with_a_dash_is_refused_with_what_to_write(
    cafe: Library, command: list[str]
) -> None:
    done = imgret(*(word.format(cafe.photos / "good.png") for word in command))
    assert (done.code, "No such option: -" in done.err) == (2, True)
    assert "Write -- before a name or a text that begins with -." in done.err


def test_a_keyword_that_begins_with_a_dash_is_one_behind_two_dashes(cafe: Library) -> None:
    photo = cafe.photos / "good.png"
    assert imgret("tag", photo, "--", "-x").code == 0
    assert imgret("tag", photo).out == b"-x\n"
    assert "Write --" not in imgret("pause", "--wrong").err  # it takes no words


def test_one_line_or_query_with_an_unexpected_error_fails_alone(
    cafe: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(whole: Callable[..., Any]) -> Callable[..., Any]:
        def maybe(text: str, *rest: object) -> Any:
            if "boom" in text:
                raise KeyError("a mistake of ours")
            return whole(text, *rest)

        return maybe

    monkeypatch.setattr(parse, "parse", breaking(parse.parse))
    monkeypatch.setattr(inputs, "clean_note", breaking(inputs.clean_note))
    query = tmp_path / "queries"
    query.write_bytes(b"\xef\xbb\xbfgood\r\nboom\n" + b"word " * 200_000 + b"\n\xff\xe9\ngood caf\xe9\n\0\n")
    done = imgret("query", "--batch", query, "--json", "--rank", "words")
    assert done.code == 2  # of the last invalid one
    assert "query 1: " in done.err
    assert "query 2: the query has 1" in done.err
    assert {hit["question_number"] for hit in done.objects} == {0, 4}
    assert [hit["question"] for hit in done.objects] == ["good", "good café"]
    photo = str(cafe.photos / "good.png")
    source = tmp_path / "notes"
    source.write_text(
        "".join(json.dumps({"path": photo, "note": note}) + "\n" for note in ("a", "boom", "c"))
    )
    done = imgret("note", "--import", source)
    assert (done.code, "2 notes saved, 1 line skipped" in done.err) == (1, True)
    assert cafe.shown("good.png")["note"] == "c"


def test_a_note_is_found_by_its_meaning_at_once_where_the_embedder_is_light(cafe: Library) -> None:
    photo = cafe.photos / "good.png"
    done = imgret("note", photo, "a giraffe at the zoo")
    assert (done.code, done.err) == (0, "")
    assert cafe.shown("good.png")["state"] == "described"
    assert cafe.rows("SELECT count(*) FROM work") == [(0,)]
    (hit,) = imgret("query", "--json", "--rank", "vector", "-k", "1", "an animal with a long neck").objects
    assert hit["path"] == str(photo)
    assert cafe.rows("SELECT count(*) FROM vector WHERE view = 'note'") == [(1,)]
    assert imgret("note", photo, "--clear").code == 0
    assert cafe.rows("SELECT count(*) FROM vector WHERE view = 'note'") == [(0,)]


def test_a_note_that_waits_for_a_heavy_embedder_is_reported(library: Library) -> None:
    done = imgret("note", library.photos / "IMG_1.jpg", "a giraffe")
    assert (done.code, "by its meaning after the next `imgret index`" in done.err) == (0, True)
    shown = library.shown("IMG_1.jpg")
    assert (shown["state"], "waiting for embed" in shown["reason"]) == ("pending", True)
    assert library.status()["pending"] == 1
    assert imgret("note", library.photos / "IMG_1.jpg", "a giraffe").err == ""
    done = imgret("note", library.photos / "IMG_1.jpg", "--clear")
    assert (
        done.err == "the note is deleted, and photos are found by its meaning until the next `imgret index`\n"
    )
    assert imgret("note", library.photos / "IMG_1.jpg", "--clear").err == ""


def test_a_photo_that_was_moved_is_known_before_the_next_scan(cafe: Library, tmp_path: Path) -> None:
    moved, outside = cafe.photos / "moved.png", tmp_path / "outside.png"
    assert imgret("note", cafe.photos / "good.png", "before").code == 0
    (cafe.photos / "good.png").rename(moved)
    shown = cafe.shown("moved.png")
    assert (shown["state"], shown["note"]) == ("described", "before")
    assert "moved or copied" in shown["reason"]
    assert imgret("note", moved, "after").code == 0
    assert imgret("note", moved).out == b"after\n"
    moved.rename(outside)
    done = imgret("show", "--json", outside)
    assert (done.objects[0]["note"], "its folder is not known" in done.objects[0]["reason"]) == (
        "after",
        True,
    )
    outside.rename(moved)
    assert "1 moved or copied" in cafe.index().err
    assert (cafe.shown("moved.png")["note"], cafe.shown("moved.png")["reason"]) == ("after", None)
    (cafe.photos / "new.png").write_bytes(moved.read_bytes()[:-1] + b"x")  # as long, and another
    assert cafe.shown("new.png")["state"] == "pending"


def test_retry_and_like_name_the_missing_file(cafe: Library) -> None:
    done = imgret("retry", "nope.jpg", "nor this.jpg", cafe.photos / "good.png")
    assert done.code == 2
    assert "0 photos to be tried again" in done.err
    assert "nope.jpg is not in the index" in done.err
    assert "nor this.jpg is not in the index" in done.err
    for picture in ("/nope.png", cafe.photos, cafe.config):
        done = imgret("query", "--like", picture)
        assert (done.code, done.out, "--like" in done.err) == (2, b"", True)


def test_a_file_that_could_not_be_read_is_tried_again_by_its_name(cafe: Library) -> None:
    if os.geteuid() == 0:
        cafe.write(
            "INSERT INTO unreadable SELECT id, 5, 9999999999, 'no' FROM photo WHERE name = ?", b"good.png"
        )
    else:
        (cafe.photos / "good.png").chmod(0)
        assert cafe.index().code == 1
    assert "1 photo to be tried again" in imgret("retry", cafe.photos / "good.png").err
    assert cafe.rows("SELECT attempts, not_before FROM unreadable") == [(0, 0)]


@pytest.mark.parametrize("order", [["--json", "-0"], ["-0", "--json"], ["--json", "--print0"]])
def test_two_output_formats_are_refused(cafe: Library, order: list[str]) -> None:
    done = imgret_process("query", *order, "good")
    assert (done.code, done.out, "give one of" in done.err) == (2, b"", True)


def test_a_pipe_gets_only_matching_hits_unless_all_are_requested(cafe: Library) -> None:
    for form in ([], ["-0"]):
        nothing = imgret_process("query", *form, "zxqv")
        assert (nothing.code, nothing.out) == (1, b"")
        assert "--min-strength weak" in nothing.err
        assert imgret_process("query", *form, "--min", "weak", "zxqv").code == 0
        assert imgret("query", *form, "zxqv").code == 0  # into a file
    assert len(imgret("query", "--json", "zxqv").objects) == 2


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["query", "--rank", ""], {"hybrid", "vector", "words"}),
        (["query", "--min-strength", "s"], {"strong"}),
        (["query", "--file-format", "J"], {"JPEG", "JXL"}),
        (["query", "--has", ""], {"note", "caption", "gps", "objects", "topics", "date"}),
        (["models", "pull", "t"], {"topics"}),
    ],
)
def test_the_shell_is_offered_the_values(words: list[str], offered: set[str]) -> None:
    done = imgret_process("__complete", "bash", " ".join(["imgret", *words]), " ")
    assert {line.strip() for line in done.out.decode().splitlines()} >= offered
    assert done.code == 0


def test_weights_that_were_not_pulled_are_neither_right_nor_wrong(empty: Library) -> None:
    empty.config.write_text(empty.config.read_text().replace('[caption]\nweights = "none"', "[caption]"))
    done = imgret("doctor")
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if b"caption" in line]
    assert line.startswith(b"todo ")
    assert b".." not in line
