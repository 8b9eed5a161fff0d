"""What scripts build upon: the keys of every JSON object, exit codes, and what is data and what narration."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from command_line import WORDS_ONLY, Library, imgret, imgret_process

from imgret.photo import FileStat
from imgret.store.factory import open_store

HIT = {
    "v", "rank", "score", "cosine", "strength", "path", "caption", "captions", "objects", "place", "text", "topics",
    "metadata", "note", "taken_at", "taken_precision", "width", "height", "online", "why", "copies", "confidence",
}  # fmt: skip
SHOWN = (HIT - {"rank", "score", "cosine", "confidence", "strength", "why", "copies"}) | {
    "state", "reason", "format", "camera", "latitude", "longitude", "truncated", "models", "waiting", "other_paths",
    "similar_paths", "taken", "taken_source",
}  # fmt: skip
STATUS = {
    "v", "index", "photos", "described", "pending", "failed", "offline", "waiting", "waiting_reasons", "daemon", "folders",
    "failures", "lost_notes", "unread_metadata", "progress", "stages", "hosts",
}  # fmt: skip


@pytest.mark.must_run
def test_a_hit_has_these_keys_and_values(library: Library) -> None:
    found = imgret("query", "--json", "a red circle")
    assert (found.code, len(found.objects)) == (0, 5)
    for rank, hit in enumerate(found.objects, 1):
        assert set(hit) >= HIT
        assert (hit["v"], hit["rank"], hit["online"], hit["note"]) == (1, rank, True, None)
        assert hit["strength"] in ("strong", "fair", "weak")
        assert -1 <= hit["cosine"] <= 1.001
        assert os.path.isabs(hit["path"])
        assert (hit["width"], hit["height"]) == (640, 480)
        assert all(isinstance(reason, str) for reason in hit["why"])
    scores = [hit["score"] for hit in found.objects]
    assert scores == sorted(scores, reverse=True)


def test_all_output_formats_name_the_same_photos(library: Library) -> None:
    by_line = imgret("query", "--min", "weak", "a red circle")
    by_nul = imgret("query", "-0", "--min", "weak", "a red circle")
    by_json = imgret("query", "--json", "a red circle")
    assert by_nul.out.split(b"\0") == [*by_line.out.splitlines(), b""]
    assert [hit["path"] for hit in by_json.objects] == by_line.paths
    assert imgret("query", "-k", "2", "--min", "weak", "a red circle").paths == by_line.paths[:2]
    assert imgret("query", "--limit", "1", "a", "red", "circle").paths == by_line.paths[:1]
    fair = [hit["path"] for hit in by_json.objects if hit["strength"] != "weak"]
    assert 0 < len(fair) < 5
    assert imgret_process("query", "a red circle").paths == fair  # what a pipe gets, such as `| xargs cp`
    assert imgret_process("query", "-0", "a red circle").out == b"".join(os.fsencode(p) + b"\0" for p in fair)
    for rank in ("vector", "words", "hybrid"):
        ranked = imgret("query", "--json", "--rank", rank, "red circle")
        assert ranked.objects[0]["path"].endswith("IMG_1.jpg")
        assert (ranked.objects[0]["cosine"] is None) == (rank == "words")


def test_a_result_without_hits_and_an_invalid_query(words: Library) -> None:
    nothing = imgret("query", "--rank", "words", "xylophone")
    assert (nothing.code, nothing.out) == (1, b"")
    for arguments in (
        ["--rank", "luck", "x"],
        ["--json", "-0", "x"],
        [""],
        [],
        ["-k", "0", "x"],
        ["--nope", "-x"],
    ):
        refused = imgret("query", *arguments)
        assert (refused.code, refused.out) == (2, b""), arguments
        assert refused.err


@pytest.mark.must_run
def test_show_has_these_keys_and_every_state_its_reason(words: Library) -> None:
    described = words.shown("IMG_1.jpg")
    assert set(described) == SHOWN
    assert described["state"] == "described"
    assert set(described["models"]) == {
        "metadata",
        "image",
        "caption",
        "detect",
        "topics",
        "embed",
    }
    assert set(described["models"]["caption"]) == {"name", "revision", "settings"}
    assert described["models"]["caption"]["revision"].startswith("sha256:")
    (words.photos / "new.jpg").write_bytes(b"new")
    (words.photos / ".hidden.jpg").write_bytes(b"hidden")
    for name, state, reason in (
        ("new.jpg", "pending", "it is new"),
        (".hidden.jpg", "excluded", "hidden"),
        ("notes.txt", "unknown", "no such file"),
        ("../elsewhere.jpg", "unknown", "no such file"),
    ):
        shown = words.shown(name)
        assert set(shown) == SHOWN
        assert (shown["state"], reason in shown["reason"]) == (state, True), shown["reason"]
    several = imgret("show", "--json", words.photos / "IMG_1.jpg", words.photos / "new.jpg")
    assert (several.code, [line["state"] for line in several.objects]) == (1, ["described", "pending"])
    for_people = imgret("show", words.photos / "IMG_1.jpg")
    assert for_people.code == 0
    assert b"a picture of a red circle" in for_people.out
    assert b"1 circle" in for_people.out


@pytest.mark.must_run
def test_status_has_these_keys_and_adds_up(words: Library) -> None:
    status = words.status()
    assert set(status) == STATUS
    assert (status["v"], status["index"], status["daemon"]) == (1, str(words.database), None)
    assert status["photos"] == status["described"] + status["pending"] + status["failed"] == 5
    (folder,) = status["folders"]
    assert set(folder) == {"path", "photos", "watched", "here", "online", "reason", "away", "scanned_at"}
    assert (folder["path"], folder["photos"], folder["online"]) == (str(words.photos), 5, True)
    for_people = imgret("status")
    assert (for_people.code, for_people.err) == (0, "")
    assert b"5 photos: 5 described" in for_people.out
    assert b"daemon: not running" in for_people.out


def test_export_is_show_for_every_photo(words: Library) -> None:
    exported = imgret("export")
    assert exported.code == 0
    by_path = {line["path"]: line for line in exported.objects}
    assert len(by_path) == 5
    assert by_path[str(words.photos / "IMG_1.jpg")] == words.shown("IMG_1.jpg")


def test_a_backup_gives_the_results_of_the_original(words: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = words.home / "copy.db"
    assert imgret("backup", copy).code == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    again = imgret("backup", copy)
    assert (again.code, "already exists" in again.err) == (2, True)
    before = imgret("query", "--json", "--rank", "words", "red circle")
    monkeypatch.setenv("IMGRET_INDEX", str(copy))
    assert imgret("query", "--json", "--rank", "words", "red circle").out == before.out
    assert imgret("doctor").code == 0


def test_doctor_names_what_is_wrong_and_rebuilds_what_is_derived(library: Library) -> None:
    sound = imgret("doctor")
    assert sound.code == 0, sound.out
    assert all(line.startswith(b"ok    ") for line in sound.out.splitlines())
    assert b"decoders: confined by " in sound.out
    before = imgret("query", "--json", "a red circle").out
    library.write(
        "INSERT INTO words (words, rowid, caption, labels, note, names) VALUES ('delete', 1, 'x', '', '', '')"
    )
    library.database.chmod(0o644)
    library.config.write_text(library.config.read_text().replace("/topics", "/no-topics"))
    ill = imgret("doctor")
    assert ill.code == 3
    wrong = [line for line in ill.out.splitlines() if line.startswith(b"WRONG")]
    assert any(b"chmod 600" in line for line in wrong)
    assert any(b"no-topics does not exist" in line for line in wrong)
    assert any(b"doctor --rebuild" in line for line in wrong)
    library.config.write_text(library.config.read_text().replace("/no-topics", "/topics"))
    library.database.chmod(0o600)
    assert imgret("doctor", "--rebuild").code == 0
    assert imgret("query", "--json", "a red circle").out == before


def test_folders_are_written_to_the_configuration_and_its_comments_kept(words: Library) -> None:
    words.config.write_text("# mine\n" + WORDS_ONLY + "# the end\n")
    assert imgret("folders").paths == [str(words.photos)]
    assert imgret("add", words.photos).code == 0
    text = words.config.read_text()
    assert text.startswith("# mine\n") or "\n# mine\n" in text
    assert "# the end" in text
    assert imgret("index").code == 0  # the folders of the configuration
    assert imgret("add", words.home / "nowhere").code == 2
    assert imgret("remove", words.home / "nowhere").code == 2
    assert imgret("note", words.photos / "IMG_1.jpg", "kept").code == 0
    removed = imgret("remove", words.photos)
    assert (removed.code, "5 photos removed from the index" in removed.err) == (0, True)
    assert words.status()["photos"] == 0
    assert imgret("query", "--rank", "words", "circle").code == 1
    words.config.write_text(WORDS_ONLY)
    assert "5 moved or copied" in imgret("index", words.photos).err
    assert words.shown("IMG_1.jpg")["note"] == "kept"


@pytest.mark.must_run
def test_thousands_of_notes_are_imported_and_bad_lines_reported(words: Library, tmp_path: Path) -> None:
    count = 4000
    with open_store(str(words.database)) as store, store.writing():
        root = store.roots.all()[0]
        for number in range(count):
            stamp = FileStat(1, 1, 1, number + 1)
            store.photos.save(root.id, b"many", b"%d.jpg" % number, stamp, number.to_bytes(32, "big"), 1)
    lines = [
        json.dumps({"path": str(words.photos / "many" / f"{number}.jpg"), "note": f"word{number} about it"})
        for number in range(count)
    ]
    raw = base64.b64encode(os.fsencode(words.photos / "IMG_1.jpg")).decode()
    lines += [
        json.dumps({"path": "?", "path_bytes": raw, "note": "by its bytes"}),
        "not json",
        json.dumps({"path": str(words.photos / "nowhere.jpg"), "note": "x"}),
        json.dumps({"path": 7}),
        "",
        json.dumps({"path": str(words.photos / "IMG_2.jpg"), "note": "the last line counts"}),
    ]
    source = tmp_path / "notes.jsonl"
    source.write_text("\ufeff" + "\n".join(lines))
    done = imgret("note", "--import", source)
    assert done.code == 1
    assert f"{count + 2} notes saved, 3 lines skipped" in done.err
    for number in (count + 2, count + 3, count + 4):
        assert f"{source}, line {number}:" in done.err
    assert words.shown("IMG_1.jpg")["note"] == "by its bytes"
    found = imgret("query", "--rank", "words", "word3999")
    assert found.paths == [str(words.photos / "many" / "3999.jpg")]
    taken_back = tmp_path / "back.jsonl"
    taken_back.write_text(json.dumps({"path": str(words.photos / "IMG_1.jpg"), "note": None}))
    assert imgret("note", "--import", taken_back).code == 0
    assert words.shown("IMG_1.jpg")["note"] is None
    assert imgret("note", "--import", tmp_path / "nowhere").code == 2


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_ENDPOINT"])
def test_a_hub_that_cannot_be_reached_is_one_plain_sentence(
    empty: Library, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if variable == "HF_HUB_OFFLINE" else "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    empty.config.write_text('[place]\nweights = "none"\n[ocr]\nweights = "none"\n')  # theirs are in packages
    done = imgret("models", "pull", "topics")
    assert done.code == 3
    first, second = done.err.strip().splitlines()
    assert first.startswith("imgret: ")
    assert "HF_ENDPOINT" in second
    assert imgret("models", "pull", "ears").code == 2
    listed = imgret("models", "list", "--json")
    assert listed.code == 0
    assert {
        line["stage"]: line["state"] for line in listed.objects if line["stage"] not in ("ocr", "place")
    } == dict.fromkeys(("image", "caption", "detect", "topics", "embed"), "missing") | {"metadata": "here"}
    assert all(
        set(line) == {"stage", "weights", "kind", "state", "revision", "path"} for line in listed.objects
    )
    verified = imgret("models", "verify")
    assert verified.code == 3
    assert verified.out.count(b"Run `imgret models pull`") == 5


def test_verify_finds_the_bundled_models_sound(library: Library) -> None:
    verified = imgret("models", "verify")
    assert (verified.code, verified.out.count(b"ok    ")) == (0, 6)
    for_people = imgret("models", "list")
    assert for_people.out.count(b"here") == 6


def test_a_daemon_that_is_not_there_is_named(words: Library) -> None:
    for command in ("pause", "resume"):
        done = imgret(command)
        assert (done.code, bool(done.err)) == (4, True)
    assert imgret("status", "--follow").code == 4
