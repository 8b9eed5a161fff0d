"""`imgret` as a process of its own: what it imports, where its words go, and the demonstration from end to end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import WORDLLAMA, Library, draw, imgret, imgret_process

from imgret.cli import quick_places
from imgret.config import places

HEAVY = {"torch", "transformers", "textual", "ultralytics", "sentence_transformers"}
ARGUMENTS_PARSED_BY = {"typer", "pydantic"}


def imported_by(*arguments: str) -> set[str]:
    """The top-level names of the modules that `imgret ARGUMENTS` has loaded when it ends."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*{n.partition('.')[0] for n in sys.modules}, file=sys.stderr))\n"
        "from imgret.__main__ import main\n"
        f"sys.argv = {['imgret', *arguments]!r}\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def small(empty: Library) -> Library:
    """Two photos, indexed with the offline embedder."""
    draw(empty.photos / "good.jpg", "red", "circle", "white")
    draw(empty.photos / "last.png", "blue", "square", "black")
    assert empty.index().code == 0
    return empty


@pytest.mark.must_run
def test_help_imports_no_model_and_no_index() -> None:
    found = imported_by("--help")
    assert "typer" in found
    assert not (HEAVY | {"numpy", "apsw", "PIL", "rich", "tokenizers"}) & found


@pytest.mark.must_run
@pytest.mark.parametrize("rank", ["words", "hybrid"])
def test_a_query_without_a_daemon_imports_no_model_but_the_offline_embedder(
    small: Library, rank: str
) -> None:
    found = imported_by("query", "--json", "--rank", rank, "good")
    assert "apsw" in found
    assert ("tokenizers" in found) == (rank == "hybrid")
    assert not (HEAVY | ARGUMENTS_PARSED_BY | {"wordllama", "requests", "PIL", "rich"}) & found


@pytest.mark.must_run
def test_status_and_show_import_no_model(small: Library) -> None:
    for arguments in (["status", "--json"], ["show", str(small.photos / "good.jpg")], ["export"]):
        assert not HEAVY & imported_by(*arguments)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_RUNTIME_DIR": ""},
        {"XDG_DATA_HOME": "relative"},
        {"IMGRET_INDEX": "here.db"},
        {"IMGRET_SOCKET": "/s"},
    ],
)
def test_the_quick_path_uses_the_same_places(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (quick_places.socket_path(), quick_places.index_path()) == (places().socket, places().index)


def test_the_quick_path_and_the_full_command_line_print_the_same(small: Library) -> None:
    for arguments in (
        ["--json", "good"], ["-0", "-k", "1", "--min", "fair", "good"],
        ["--rank", "words", "--min", "weak", "good", "-last"], ["--min", "weak", "--", "good"],
    ):  # fmt: skip
        whole = imgret("query", *arguments)
        assert imgret_process("query", *arguments) == whole
    refused = imgret_process("query", "-k", "0", "good")
    assert (refused.code, refused.out, "Traceback" in refused.err) == (2, b"", False)


def test_data_is_on_stdout_and_messages_on_stderr(small: Library) -> None:
    indexed = imgret_process("index", small.photos)
    assert (indexed.code, indexed.out) == (0, b"")
    assert "nothing changed" in indexed.err
    status = imgret_process("status", "--json")
    assert (json.loads(status.out)["photos"], status.err) == (2, "")
    version = imgret_process("--version")
    assert re.fullmatch(rb"imgret \d+\.\d+\.\d+\n", version.out)
    wrong = imgret_process("nonsense")
    assert (wrong.code, wrong.out) == (2, b"")
    for command in (["query", "good"], ["status"], ["index", small.photos]):
        done = imgret_process(*command)
        assert b"\x1b" not in done.out  # no colours into a pipe
        assert "\x1b" not in done.err


@pytest.mark.must_run
def test_the_demonstration_finds_its_photos_and_touches_nothing_of_the_user(
    tmp_path: Path, private_places: Path
) -> None:
    kept = tmp_path / "demo"
    before = {path for path in private_places.rglob("*") if path.is_file()}
    done = imgret_process("demo", "--keep", str(kept))
    assert done.code == 0, done.err
    questions = done.out.decode().split("imgret query --json -k 3 ")
    assert len(questions) == 4
    for question in questions[1:]:
        hits = [json.loads(line) for line in question.splitlines() if line.startswith("{")]
        assert len(hits) == 3
    best = json.loads(questions[1].splitlines()[1])
    assert "red circle" in best["caption"]
    assert "24 described" in done.err
    assert {path for path in private_places.rglob("*") if path.is_file()} == before
    environ = {"IMGRET_CONFIG": f"{kept}/config.toml", "IMGRET_INDEX": f"{kept}/index.db"}
    again = imgret_process("status", "--json", env=os.environ | environ)
    assert json.loads(again.out)["described"] == 24
    assert all(path.stat().st_mode & 0o077 == 0 for path in (kept, kept / "index.db", kept / "config.toml"))
    assert imgret_process("demo", "--keep", str(kept)).code == 2


@pytest.mark.must_run
def test_real_photos_are_counted_and_found(seed: Path, empty: Library) -> None:
    pytest.importorskip("onnxruntime", reason="real counts need the extra `onnx`")
    empty.config.write_text(
        WORDLLAMA.replace(
            '[detect]\nweights = "none"', f'[detect]\nweights = "{seed}/weights/yolov8n_int8.onnx"'
        )
    )
    giraffes = {"COCO_train2014_000000000025.jpg", "COCO_train2014_000000000072.jpg"}
    for name in sorted(path.name for path in (seed / "gallery").glob("*.jpg"))[:14]:
        (empty.photos / name).write_bytes((seed / "gallery" / name).read_bytes())
    done = empty.index()
    assert done.code == 0, done.err
    found = imgret("query", "--json", "giraffe").objects
    assert {Path(hit["path"]).name for hit in found[:2]} == giraffes
    assert all(hit["objects"]["giraffe"] for hit in found[:2])
    assert sum(bool(line["objects"]) for line in imgret("export").objects) >= 12


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_closed_streams_cause_no_traceback_and_damage_no_index(small: Library, closed: list[int]) -> None:
    before = small.rows("SELECT count(*) FROM photo")
    shut = f"import os\nfor number in {closed}: os.close(number)"
    for command in (
        ["status"],
        ["query", "good"],
        ["show", str(small.photos / "good.jpg")],
        ["index", small.photos],
    ):
        done = imgret_process(*command, before=shut)
        assert done.code == 0, (command, done.err)
        assert done.err.count("Traceback") == 0
        assert bool(done.out) == (1 not in closed and command[0] != "index")
    assert small.rows("SELECT count(*) FROM photo") == before
    assert imgret("doctor").code == 0


def test_text_is_utf8_in_any_locale(small: Library) -> None:
    draw(small.photos / "Käse.jpg", "red", "circle", "white")
    assert imgret("index", small.photos).code == 0
    environ = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    path = os.fsencode(small.photos / "Käse.jpg")
    for command in (["show", path], ["export"], ["query", "--rank", "words", "photos"], ["status"]):
        done = imgret_process(*command, env=environ)
        assert (done.code, "Traceback" in done.err) == (0, False), done.err
    assert path in imgret_process("query", "--all", "-0", "photos", env=environ).out.split(b"\0")


def test_a_removed_current_folder_is_reported(small: Library, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    leave = f"import os\nos.mkdir({gone!r})\nos.chdir({gone!r})\nos.rmdir({gone!r})"
    done = imgret_process("show", "good.jpg", before=leave)
    assert done.code == 3
    assert "no longer exists" in done.err
    assert imgret_process("status", before=leave).code == 0
