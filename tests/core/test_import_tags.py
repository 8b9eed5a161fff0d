"""`imgret import-tags` and `imgret sidecars` on an index made by hand: lines, exit codes, messages."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from saving import save

from imgret.cli.commands import run
from imgret.photo import FileStat, Metadata, ModelIdentity, Tag
from imgret.stages.metadata import STAGE
from imgret.store.interface import Store
from imgret.store.records import TextColumn

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> Command:
    monkeypatch.setenv("IMGRET_INDEX", store.path)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        output = capfdbinary.readouterr()
        return code, os.fsdecode(output.out), output.err.decode()

    return call


@pytest.fixture
def photo(store: Store, add: Callable[..., int]) -> int:
    columns = [TextColumn(each.name, STAGE.name, each.weight) for each in STAGE.columns]
    store.text_columns.set([*(each for each in store.text_columns.all() if each.stage), *columns])
    return add("a.jpg", caption="a red boat")


def written(folder: Path, *lines: object) -> str:
    path = folder / "tags.jsonl"
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines))
    return str(path)


def test_tags_are_found_shown_and_removed(command: Command, photo: int, store: Store, tmp_path: Path) -> None:
    source = written(
        tmp_path,
        {"path": "/photos/a.jpg", "tags": ["Family", "  two\twords "]},
        {
            "path_bytes": base64.b64encode(b"/photos/a.jpg").decode(),
            "tags": ["Rome"],
            "kind": "album",
        },
    )
    assert command("import-tags", source, "--dry-run") == (0, "", "2 lines can be imported\n")
    assert store.results.imported_tags(photo) == []
    assert command("import-tags", source)[0] == 0
    assert store.results.imported_tags(photo) == [
        Tag("album", "Rome"),
        Tag("keyword", "Family"),
        Tag("keyword", "two words"),
    ]
    save(store, photo, "metadata", ModelIdentity("metadata", "2"), Metadata(keywords=("family", "sea")))
    assert command("query", "keyword:family")[1] == "/photos/a.jpg\n"
    (hit,) = command("query", "family", "--json")[1].splitlines()
    assert json.loads(hit)["metadata"] == {"keywords": ["family", "sea", "two words"], "albums": ["Rome"]}
    assert "keyword family" in json.loads(hit)["why"]
    assert command("import-tags", source, "--remove")[0] == 0
    assert store.results.imported_tags(photo) == []


def test_a_bad_line_is_skipped_alone(command: Command, photo: int, store: Store, tmp_path: Path) -> None:
    good = {"path": "/photos/a.jpg", "tags": ["last"]}
    bad = [
        ("no json", "not JSON"),
        ('{"path": "/photos/a.jpg"}', "missing required field `tags`"),
        ({**good, "tags": "last"}, "Expected `array`"),
        ({**good, "tags": ["a", " "]}, "/photos/a.jpg: tag 2 is empty"),
        (
            {**good, "tags": ["y", "x" * 1_000_000]},
            f"/photos/a.jpg: tag 2 has 1,000,000 characters, at most 200 are allowed: {'x' * 40}…",
        ),
        ({**good, "tags": ["x"] * 501}, "/photos/a.jpg: 501 tags; a line has at most 500"),
        ({**good, "kind": "object"}, "the kind object is not known: one of keyword, person, album"),
        ({**good, "path": ""}, "there is no path"),
        ({"tags": ["last"]}, "there is no path"),
        ({**good, "path": "/photos/none.jpg"}, "/photos/none.jpg is not in the index"),
        ("[" * 100_000, "not"),
        ('{"path": "' + "x" * (1 << 20) + '"}', "a line has at most"),
    ]
    code, out, err = command("import-tags", written(tmp_path, *(line for line, _ in bad), good))
    assert (code, out) == (1, "")
    messages = err.splitlines()
    for number, (message, (_, sentence)) in enumerate(zip(messages, bad, strict=False), 1):
        assert message.startswith(f"{tmp_path}/tags.jsonl, line {number}: ")
        assert sentence in message
    assert messages[-1] == "1 line read, 1 photo changed, 12 lines skipped"
    assert store.results.imported_tags(photo) == [Tag("keyword", "last")]


def test_a_file_that_is_not_there(command: Command, photo: int) -> None:
    code, _, err = command("import-tags", "none.jsonl")
    assert (code, "none.jsonl cannot be read: No such file" in err) == (2, True)


def test_photos_with_unread_metadata_are_counted(command: Command, photo: int, store: Store) -> None:
    assert json.loads(command("status", "--json")[1])["unread_metadata"] == 0
    broken = Metadata(problems=("a.xmp is not valid XML",))
    save(store, photo, "metadata", ModelIdentity("metadata", "2"), broken)
    assert json.loads(command("status", "--json")[1])["unread_metadata"] == 1
    assert "1 photo with metadata or a sidecar that could not be read" in command("status")[1]
    assert command("query", "problem:metadata")[1] == "/photos/a.jpg\n"
    assert command("query", "problem", "--rank", "words")[1] == ""  # the tag is no word


def test_sidecars_of_a_folder(command: Command, store: Store, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.jpg").write_bytes(b"not read")
    root = store.roots.add(bytes(pictures))
    status = (pictures / "a.jpg").stat()
    seen = FileStat(status.st_size, 1, 1, 1)
    content, _ = store.photos.save(root.id, b"", b"a.jpg", seen, b"x" * 32, 1)
    store.results.write_note(content, "our boat")
    sidecar = pictures / "a.jpg.xmp"
    assert command("sidecars", "write", "-n") == (0, f"{sidecar}\n", "sidecars: 1 would be written\n")
    assert command("sidecars", "write", "--ocr") == (0, "", "sidecars: nothing to do\n")
    assert command("sidecars", "write", str(pictures)) == (0, "", "sidecars: 1 written\n")
    assert b"our boat" in sidecar.read_bytes()
    assert command("sidecars", "write") == (0, "", "sidecars: 1 up to date\n")
    code, _, err = command("sidecars", "write", str(tmp_path / "none"))
    assert (code, "does not exist" in err) == (2, True)
    (tmp_path / "other").mkdir()
    code, _, err = command("sidecars", "remove", str(tmp_path / "other"))
    assert (code, "is not in the index" in err) == (2, True)
    assert command("sidecars", "remove") == (0, "", "sidecars: 1 deleted\n")
    assert not sidecar.exists()
