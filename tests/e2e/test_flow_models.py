"""Models that change, are missing or are broken: results stay, spaces do not mix, searches continue."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import TINY, WORDLLAMA, Library, imgret, imgret_process

from imgret.demo.bundled import MODELS


def reconfigure(library: Library, stage: str, weights: str | Path, more: str = "") -> None:
    """Name other weights for one stage."""
    head, table, tail = library.config.read_text().partition(f"[{stage}]\n")
    lines = tail.splitlines(keepends=True)
    lines[0] = f'weights = "{weights}"\n{more}'
    library.config.write_text(head + table + "".join(lines))


def made_by(library: Library, stage: str) -> set[tuple[str, str]]:
    """(name, revision) of the models whose results of this stage stand in the index."""
    return set(
        library.rows(
            "SELECT name, revision FROM stage_result r JOIN model ON model.id = r.model WHERE r.stage = ?",
            stage,
        )
    )


def embedders(library: Library) -> set[str]:
    """The embedders of texts that have vectors in the index."""
    return {
        name
        for (name,) in library.rows(
            "SELECT name FROM model JOIN space ON model = model.id WHERE space.id IN (SELECT space FROM vector)"
            " AND space.stage = 'embed'"
        )
    }


@pytest.fixture
def another_captioner(tmp_path: Path) -> Path:
    """The tiny captioner under another name and with other bytes, so of another identity."""
    copy = tmp_path / "another-captioner"
    shutil.copytree(Path(MODELS) / "caption", copy)
    config = copy / "generation_config.json"
    config.write_text(config.read_text() + "\n")
    return copy


@pytest.mark.must_run
def test_another_captioner_replaces_captions_and_old_results_stay_until_then(
    library: Library, another_captioner: Path
) -> None:
    before = made_by(library, "caption")
    detections = library.rows("SELECT payload, made_at FROM stage_result WHERE stage = 'detect'")
    library.write("UPDATE stage_result SET payload = '[\"an old caption\"]' WHERE stage = 'caption'")
    library.write("UPDATE stage_result SET payload = '[\"old\"]' WHERE stage = 'topics'")
    library.write("UPDATE stage_result SET made_at = 7 WHERE stage = 'detect'")
    reconfigure(library, "caption", another_captioner)

    found = imgret("query", "--json", "a red circle")
    assert found.objects[0]["path"].endswith("IMG_1.jpg")  # the old vectors are searched
    assert found.objects[0]["caption"] == "an old caption"  # and nothing was wiped

    assert "5 described" in library.index().err
    after = made_by(library, "caption")
    assert {name for name, _ in after} == {"another-captioner"}
    assert not after & before
    assert all(
        "old" not in payload
        for (payload,) in library.rows(
            "SELECT payload FROM stage_result WHERE stage IN ('caption', 'topics')"
        )
    )
    kept = library.rows("SELECT payload, made_at FROM stage_result WHERE stage = 'detect'")
    assert [(payload, 7) for payload, _ in detections] == kept  # counts do not follow from captions
    assert imgret("query", "a red circle").paths[0].endswith("IMG_1.jpg")
    assert "up to date" in library.index().err


@pytest.mark.must_run
def test_vectors_of_two_embedders_never_mix_and_searches_continue(library: Library) -> None:
    dimension = library.rows("SELECT DISTINCT length(data) FROM vector WHERE view != 'image'")
    assert embedders(library) == {"embed"}
    reconfigure(library, "embed", "wordllama")
    found = imgret("query", "--rank", "vector", "a red circle")
    assert "words alone" not in found.err
    assert found.paths[0].endswith(
        "IMG_1.jpg"
    )  # the old vectors are searched, by the embedder that made them
    assert "5 described" in library.index().err
    assert embedders(library) == {"wordllama"}
    assert (
        library.rows("SELECT DISTINCT length(data) FROM vector WHERE view != 'image'")
        == [(512,)]
        != dimension
    )
    found = imgret("query", "--rank", "vector", "a red circle")
    assert found.paths[0].endswith("IMG_1.jpg")
    assert "words alone" not in found.err

    reconfigure(library, "embed", f"{MODELS}/embed")
    found = imgret("query", "--rank", "vector", "a red circle")
    assert found.paths[0].endswith("IMG_1.jpg")  # wordllama needs no setting to search its own vectors
    assert library.index().code == 0
    assert embedders(library) == {"embed"}
    assert imgret("query", "--rank", "vector", "a red circle").paths[0].endswith("IMG_1.jpg")


@pytest.mark.must_run
def test_a_stage_without_weights_is_reported_once_and_completed_later(
    library: Library, tmp_path: Path
) -> None:
    weights = tmp_path / "later"
    library.database.unlink()
    reconfigure(library, "caption", weights)
    first = library.index()
    assert first.code == 0
    assert first.err.count("no captions") == 1
    assert f"{weights} does not exist" in first.err
    assert "no captions" not in library.index().err  # reported once

    status = library.status()
    assert (status["described"], status["waiting"]["caption"]) == (5, 5)
    assert library.shown("IMG_1.jpg")["waiting"] == ["caption", "topics"]
    query = imgret("query", "circle")
    assert query.code == 0
    assert "searched 0 of 5 photos" in query.err
    together = imgret_process("query", "circle", stderr=subprocess.STDOUT).out.splitlines()
    assert together[0].endswith(b".jpg")  # hits come first, then the sentence
    assert together[-1].startswith(b"searched 0 of 5 photos")

    shutil.copytree(Path(MODELS) / "caption", weights)
    assert "5 described" in library.index().err
    assert library.status()["waiting"] == {}
    assert "red circle" in library.shown("IMG_1.jpg")["caption"]
    assert "caption" not in imgret("query", "circle").err


@pytest.mark.must_run
def test_broken_weights_are_reported_and_stop_no_other_stage(library: Library, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(Path(MODELS) / "caption", broken)
    (broken / "model.safetensors").write_bytes(b"not weights at all")
    library.database.unlink()
    reconfigure(library, "caption", broken)
    done = library.index()
    assert done.code == 1
    assert "no captions" in done.err
    assert str(broken) in done.err
    assert "cannot be loaded" in done.err
    shown = library.shown("IMG_1.jpg")
    assert shown["objects"] == {"circle": 1}
    assert shown["waiting"] == ["caption", "topics"]
    shutil.copytree(Path(MODELS) / "caption", broken, dirs_exist_ok=True)
    assert library.index().code == 0
    assert "red circle" in library.shown("IMG_1.jpg")["caption"]


def test_a_new_note_loads_no_captioner(library: Library) -> None:
    assert imgret("note", library.photos / "IMG_1.jpg", "a badge").code == 0
    content = library.content("IMG_1.jpg")
    identity = library.rows("SELECT * FROM stage_result WHERE content = ? AND stage = 'caption'", content)
    weights = Path(MODELS) / "caption" / "model.safetensors"
    assert weights.exists()
    reconfigure(library, "caption", library.home / "gone")  # could not be loaded, and need not
    assert library.index().code == 0
    assert ("note",) in library.rows("SELECT view FROM vector WHERE content = ?", content)
    assert (
        library.rows("SELECT * FROM stage_result WHERE content = ? AND stage = 'caption'", content)
        == identity
    )


def test_changed_settings_of_a_result_compute_it_again(library: Library) -> None:
    reconfigure(library, "detect", f"{MODELS}/detect.pt", "confidence = 0.99\n")
    assert "5 described" in library.index().err
    settings = library.rows(
        "SELECT DISTINCT settings FROM stage_result r JOIN model ON model.id = r.model"
        " WHERE r.stage = 'detect'"
    )
    assert settings == [("confidence=0.99",)]


def test_a_stage_set_to_none_needs_nothing(library: Library) -> None:
    library.config.write_text(TINY.replace(f"{MODELS}/caption", "none"))
    done = library.index()
    assert (done.code, "no captions" in done.err) == (0, False)
    assert library.status()["waiting"] == {}
    assert library.shown("IMG_1.jpg")["state"] == "described"
    library.config.write_text(WORDLLAMA)
    assert library.index().code == 0
    assert imgret("query", "circle").paths[0].endswith(("IMG_1.jpg", "IMG_4.jpg"))


@pytest.mark.must_run
def test_the_defaults_without_any_weights_index_by_names_and_report_it_once(library: Library) -> None:
    library.database.unlink()
    library.config.write_text("")
    first = library.index()
    assert first.code == 0, first.err
    for lost in (
        "no captions",
        "no counts of objects",
        "no topics",
        "the small offline embedder is used instead",
    ):
        assert first.err.count(lost) == 1
    assert first.err.count("imgret models pull") >= 1
    again = library.index()
    assert (again.code, "up to date" in again.err, "no captions" in again.err) == (0, True, False)
    assert embedders(library) == {"wordllama"}
    assert imgret("query", "img 1").paths[0].endswith("IMG_1.jpg")
    assert imgret("doctor").code == 0


@pytest.mark.must_run
def test_more_captions_are_added_and_all_are_found(library: Library) -> None:
    before = library.shown("IMG_1.jpg")
    assert before["captions"] == [before["caption"]]
    prompts = 'prompts = ["a picture of ", "a picture of a blue"]\nmax_tokens = 20\n'
    reconfigure(library, "caption", Path(MODELS) / "caption", prompts)
    assert "5 described" in library.index().err
    after = library.shown("IMG_1.jpg")
    assert after["caption"] == before["caption"]  # the first one stays that of the recipe
    assert after["captions"][0] == after["caption"]
    assert len(after["captions"]) == 2
    assert after["captions"][1].startswith("a picture of a blue")
    (row,) = [
        line
        for line in imgret("show", library.photos / "IMG_1.jpg").out.decode().splitlines()
        if "also" in line
    ]
    assert after["captions"][1] in row
    found = imgret("query", "--json", "--rank", "words", "blue")
    assert {Path(hit["path"]).name for hit in found.objects} == {
        f"IMG_{n}.{'png' if n == 3 else 'jpg'}" for n in range(1, 6)
    }
    assert all(hit["captions"][0] == hit["caption"] for hit in found.objects)


def test_further_captioners_are_listed_and_verified(library: Library) -> None:
    reconfigure(library, "caption", Path(MODELS) / "caption", 'also = ["someone/captioner"]\n')
    listed = [line for line in imgret("models", "list", "--json").objects if line["stage"] == "caption"]
    assert [(line["weights"].rpartition("/")[2], line["state"]) for line in listed] == [
        ("caption", "here"),
        ("captioner", "missing"),
    ]
    verified = imgret("models", "verify")
    assert verified.code == 3
    assert b"WRONG caption: someone/captioner is not on this disk" in verified.out
    assert library.shown("IMG_1.jpg")["caption"]  # nothing is lost
