"""A package that brings a stage: without a change to imgret it is run, saved, searched, shown and removed again.

Each command is a process of its own, as after `pip install`: only its Python path tells it of the package.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import WORDLLAMA, Finished, Library, imgret_process
from PIL import Image
from stage_packages import install, uninstall

COLOURS = {
    "IMG_1.png": (230, 20, 20),
    "IMG_2.png": (20, 20, 230),
    "IMG_3.png": (20, 200, 20),
    "IMG_4.png": (200, 75, 75),  # as near to red as to anything, and not near enough to be called so
    "IMG_5.png": (30, 120, 200),
}

Run = Callable[..., Finished]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder that packages are installed in."""
    folder = tmp_path / "site"
    install(folder)
    return folder


@pytest.fixture
def run(empty: Library, site: Path) -> Run:
    """run("query", ...): the command, with the folder of packages on its path."""
    for name, colour in COLOURS.items():
        Image.new("RGB", (64, 48), colour).save(empty.photos / name)
    empty.config.write_text("decode_workers = 1\n" + WORDLLAMA)

    def command(*arguments: str | Path) -> Finished:
        return imgret_process(*arguments, env={**os.environ, "PYTHONPATH": str(site)})

    return command


@pytest.fixture
def indexed(empty: Library, run: Run) -> Library:
    """The photos, described with the stage of the package."""
    done = run("index", empty.photos)
    assert done.code == 0, done.err
    return empty


def names(done: Finished) -> list[str]:
    return [os.path.basename(path) for path in done.paths]


@pytest.mark.must_run
def test_it_is_queued_run_and_saved(empty: Library, run: Run, site: Path) -> None:
    uninstall(site)
    assert run("index", empty.photos).code == 0
    assert empty.rows("SELECT 1 FROM stage_result WHERE stage = 'colour'") == []
    install(site)
    assert "5 described" in run("index", empty.photos).err
    payloads = dict(
        empty.rows(
            "SELECT photo.name, payload FROM stage_result JOIN photo USING (content) WHERE stage = 'colour'"
        )
    )
    assert payloads == {
        b"IMG_1.png": '["red"]',
        b"IMG_2.png": '["blue"]',
        b"IMG_3.png": '["green"]',
        b"IMG_4.png": "[]",
        b"IMG_5.png": "[]",
    }
    assert "up to date" in run("index", empty.photos).err


@pytest.mark.must_run
def test_it_is_searched_by_words_by_vector_and_filtered(indexed: Library, run: Run) -> None:
    assert names(run("query", "--rank", "words", "mostly red")) == ["IMG_1.png"]
    # No word of the fourth photo is `red`, and it has no vector of words but that of its name.
    by_vector = names(run("query", "--min", "weak", "red"))
    assert by_vector[0] == "IMG_1.png"
    assert by_vector.index("IMG_4.png") < by_vector.index("IMG_2.png")
    assert by_vector.index("IMG_4.png") < by_vector.index("IMG_5.png")
    by_vector = names(run("query", "--min", "weak", "blue"))
    assert by_vector[:2] == ["IMG_2.png", "IMG_5.png"]
    assert names(run("query", "colour:red")) == ["IMG_1.png"]
    assert sorted(names(run("query", "-colour:red"))) == ["IMG_2.png", "IMG_3.png", "IMG_4.png", "IMG_5.png"]
    nothing = run("query", "colour:pink")
    assert (nothing.code, nothing.out) == (1, b"")
    assert "no photo has a colour 'pink'; there is" in nothing.err


@pytest.mark.must_run
def test_it_is_shown(indexed: Library, run: Run) -> None:
    (hit,) = run("query", "--json", "colour:red").objects
    assert (hit["colour"], hit["caption"], hit["objects"], hit["topics"]) == (["red"], None, {}, [])
    (photo,) = run("show", "--json", indexed.photos / "IMG_1.png").objects
    assert photo["colour"] == ["red"]
    assert photo["models"]["colour"] == {"name": "colour", "revision": "1", "settings": "clearly=0.9"}
    text = run("show", indexed.photos / "IMG_1.png").out.decode()
    assert "  colour   red\n" in text
    assert "  colour   by colour 1\n" in text
    (status,) = run("status", "--json").objects
    assert status["stages"] == {"decode": 0, "metadata": 0, "embed": 0, "colour": 0}
    listed = {each["stage"]: each for each in run("models", "list", "--json").objects}
    assert listed["colour"] == {
        "stage": "colour",
        "weights": "colour",
        "kind": "packaged",
        "state": "here",
        "revision": "1",
        "path": None,
    }
    assert "colour   here     colour  1\n" in run("models", "list").out.decode()
    assert "ok    colour: colour 1\n" in run("models", "verify").out.decode()
    assert "colour: colour 1\n" in run("doctor").out.decode()
    assert sorted(photo["colour"] for photo in run("export").objects) == [
        [],
        [],
        ["blue"],
        ["green"],
        ["red"],
    ]


@pytest.mark.must_run
def test_its_setting_and_its_version_run_it_again(indexed: Library, run: Run, site: Path) -> None:
    settings = indexed.config.read_text()
    indexed.config.write_text(settings + "[colour]\nclearly = 0.8\n")
    assert "5 described" in run("index", indexed.photos).err
    assert sorted(names(run("query", "colour:red"))) == ["IMG_1.png", "IMG_4.png"]
    install(site, version="2")
    assert "5 described" in run("index", indexed.photos).err
    assert indexed.rows(
        "SELECT DISTINCT revision, settings FROM stage_result r JOIN model ON model.id = r.model"
        " WHERE r.stage = 'colour'"
    ) == [("2", "clearly=0.8")]
    assert indexed.rows(
        "SELECT count(*) FROM vector JOIN space ON space.id = space JOIN model ON model.id = space.model"
        " WHERE model.stage = 'colour'"
    ) == [(5,)]
    assert set(names(run("query", "--min", "weak", "blue"))[:2]) == {"IMG_2.png", "IMG_5.png"}
    indexed.config.write_text(settings + "[colour]\nclearly = 2\n")
    refused = run("index", indexed.photos)
    assert refused.code == 2
    assert "colour.clearly must be between 0 and 1" in refused.err


NO_ENTRY_POINTS = """
import importlib.metadata, sys
def refuse(*_, **__):
    raise AssertionError("entry points were read")
importlib.metadata.entry_points = refuse
from imgret.cli import quick_query
sys.exit(quick_query.run(sys.argv[1:]))
"""


@pytest.mark.must_run
def test_a_query_reads_entry_points_only_where_photos_have_its_results(
    empty: Library, run: Run, site: Path
) -> None:
    def query() -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", NO_ENTRY_POINTS, "--json", "a red thing"]
        environ = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run(command, env=environ, capture_output=True, check=False)

    uninstall(site)
    assert run("index", empty.photos).code == 0
    done = query()
    assert done.returncode == 0
    assert b"AssertionError" not in done.stderr
    install(site)
    assert run("index", empty.photos).code == 0
    assert b"AssertionError" in query().stderr


@pytest.mark.must_run
def test_it_is_switched_off_by_its_table(empty: Library, run: Run) -> None:
    empty.config.write_text(empty.config.read_text() + '[colour]\nweights = "none"\n')
    assert run("index", empty.photos).code == 0
    assert empty.rows("SELECT 1 FROM stage_result WHERE stage = 'colour'") == []
    assert "colours are switched off" in run("query", "colour:red").err
    assert "colour   off" in run("models", "list").out.decode()


@pytest.mark.must_run
def test_it_is_removed_without_a_trace_when_it_is_uninstalled(indexed: Library, run: Run, site: Path) -> None:
    def traces() -> list[str]:
        """The tables of the index file in which it still occurs."""
        found = []
        for table, sql in indexed.rows("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"):
            found += [table] if "colour" in sql else []
            if not sql.startswith("CREATE TABLE"):
                continue
            for (column,) in indexed.rows("SELECT name FROM pragma_table_info(?)", table):
                rows = indexed.rows(f'SELECT CAST("{column}" AS BLOB) FROM "{table}"')
                found += [f"{table}.{column}" for (value,) in rows if value and b"colour" in value]
        return sorted(set(found))

    assert {"model.stage", "stage_result.stage", "tag.kind", "text_column.name"} <= set(traces())
    notes = run("note", indexed.photos / "IMG_1.png", "grandma's ball")
    assert notes.code == 0
    uninstall(site)
    # Before the next run the index still has them, and no command fails because of them.
    assert names(run("query", "grandma's ball"))[0] == "IMG_1.png"
    assert "colour" not in run("show", "--json", indexed.photos / "IMG_1.png").objects[0]
    assert run("index", indexed.photos).code == 0
    assert traces() == []
    assert run("query", "colour:red").code != 0 or "colour: is no filter" in run("query", "colour:red").err
    assert names(run("query", "grandma's ball"))[0] == "IMG_1.png"
    assert "no errors" in run("doctor").out.decode()
    install(site)
    assert "5 described" in run("index", indexed.photos).err
    assert names(run("query", "colour:red")) == ["IMG_1.png"]


@pytest.mark.must_run
def test_what_a_broken_package_made_stays(indexed: Library, run: Run, site: Path) -> None:
    (site / "imgret_colour.py").write_text("import a_library_that_is_not_there\n")
    assert "up to date" in run("index", indexed.photos).err
    assert len(indexed.rows("SELECT 1 FROM stage_result WHERE stage = 'colour'")) == 5
    assert names(run("query", "--rank", "words", "mostly red")) == ["IMG_1.png"]
    assert names(run("query", "colour:red")) == ["IMG_1.png"]
    listed = run("models", "list").out.decode()
    assert "colour   broken   imgret-colour 1.0 cannot be used" in listed
    doctor = run("doctor")
    assert (doctor.code, "No module named" in doctor.out.decode()) == (3, True)
    install(site)
    assert "up to date" in run("index", indexed.photos).err
