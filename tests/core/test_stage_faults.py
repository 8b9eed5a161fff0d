"""What a stage of another package does wrong costs its own results and nothing else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stage_packages import install

from imgret import stage_results
from imgret.config import parse
from imgret.errors import ConfigError, PhotoError
from imgret.photo import ModelIdentity, Tag
from imgret.stages import Result, StageModel, registry
from imgret.stages.verify import verify
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import TextColumn


class Model(StageModel):
    identity = ModelIdentity("colour", "1")
    dimension = 3


@pytest.fixture
def colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stage of the package, installed."""
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "imgret_colour", raising=False)
    registry.installed.cache_clear()
    yield registry.installed()["colour"]
    registry.installed.cache_clear()


RED = {"mean_colour": np.array([1, 0, 0], np.float32)}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (("red",), "gave a tuple in place of a Result"),
        (Result(("red",), {"hue": RED["mean_colour"]}), "gave a vector of hue, which it has not"),
        (Result(("red",), {"mean_colour": np.ones(4, np.float32) / 2}), r"of shape \(4,\) instead of \(3,\)"),
        (Result(("red",), {"mean_colour": np.ones(3, np.float32)}), "of length 1.732 instead of 1"),
        (Result(("red",), {"mean_colour": np.zeros(3, np.float32)}), "of length 0.000 instead of 1"),
        (Result(("red",), {"mean_colour": np.full(3, np.nan, np.float32)}), "of length nan instead of 1"),
    ],
)
def test_a_result_that_cannot_be_saved_is_refused(colour: Any, result: Any, words: str) -> None:
    with pytest.raises(PhotoError, match=words):
        verify(colour, Model(), result)


def test_texts_and_tags_that_it_does_not_announce_are_refused(
    colour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify(colour, Model(), Result(("red",), RED))
    with pytest.raises(Exception, match="Expected"):
        verify(colour, Model(), Result(3, RED))
    monkeypatch.setattr(colour, "texts", lambda _: {"caption": "mine now"})
    with pytest.raises(PhotoError, match="gave texts of caption"):
        verify(colour, Model(), Result(("red",), RED))
    monkeypatch.undo()
    monkeypatch.setattr(type(colour), "tags", lambda *_: [Tag("object", "dog", 9)])
    with pytest.raises(PhotoError, match="gave tags of object"):
        verify(registry.installed()["colour"], Model(), Result(("red",), RED))


@pytest.fixture
def store(tmp_path: Path, colour: Any) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as opened:
        opened.text_columns.set([TextColumn("caption", "caption"), TextColumn("colour", "colour")])
        yield opened


@pytest.fixture
def content(store: Store) -> int:
    """A photo with a caption and a colour."""
    from imgret.photo import FileStat

    root = store.roots.add(b"/photos")
    found, _ = store.photos.save(root.id, b"", b"a.jpg", FileStat(1, 1, 1, 1), b"x" * 32, 1)
    stage_results.save(store, found, "caption", ModelIdentity("captioner", "1"), Result(("a ball",)))
    stage_results.save(store, found, "colour", Model.identity, Result(("red",), RED))
    return found


def test_its_result_is_shown_beside_the_own_stages(store: Store, content: int) -> None:
    keys = stage_results.shown(stage_results.payloads(store, content))
    assert keys == {
        "metadata": None,
        "caption": "a ball",
        "captions": ["a ball"],
        "objects": {},
        "text": [],
        "place": None,
        "topics": [],
        "colour": ("red",),
    }
    assert stage_results.rows(keys) == [("caption", "a ball"), ("colour", "red")]


@pytest.mark.parametrize("broken", ["decode", "json", "rows", "why", "texts"])
def test_a_broken_method_does_not_stop_other_stages(
    store: Store, content: int, colour: Any, broken: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fails(*_: object) -> Any:
        raise RuntimeError("a mistake of the package")

    monkeypatch.setattr(colour, broken, fails)
    with caplog.at_level(logging.WARNING):
        keys = stage_results.shown(stage_results.payloads(store, content))
        assert keys["caption"] == "a ball"
        assert stage_results.rows(keys)[0] == ("caption", "a ball")
        assert stage_results.why(keys, "ball", lambda *_: []) == []
        store.results.rebuild_words(stage_results.texts)
    assert "The stage colour failed: unexpected RuntimeError: a mistake of the package" in caplog.text


def test_it_cannot_take_keys_that_are_not_its_own(
    store: Store, content: int, colour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colour, "json", lambda _: {"path": "/etc/passwd", "caption": "mine", "hue": 3})
    keys = stage_results.shown(stage_results.payloads(store, content))
    assert {key: value for key, value in keys.items() if value not in (None, {}, [])} == {
        "caption": "a ball",
        "captions": ["a ball"],
        "hue": 3,
    }


def test_its_table_is_read_and_checked(colour: Any) -> None:
    assert parse("[colour]\nclearly = 0.5").of("colour").clearly == 0.5
    assert parse("").of("colour").clearly == 0.9
    assert "colour" not in parse('[colour]\nweights = "none"').stages()
    for text, words in (
        ("\n[colour]\nclear = 1", r"line 3: unknown key 'colour\.clear'"),
        ("[colour]\nclearly = 2", r"line 2: colour\.clearly must be between 0 and 1"),
        ("[colour]\nclearly = 'very'", r"line 2: colour\.clearly: Expected `float`"),
        ("[color]\nclearly = 1", "line 1: unknown key 'color'"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse(text)
    with pytest.raises(ConfigError) as caught:
        parse("[brightness]\nlevel = 1")
    assert caught.value.hint.endswith("If a package provided the stage brightness, it is not installed here.")


def test_the_page_about_stages_has_the_package_that_the_tests_install() -> None:
    here = Path(__file__).parents[1]
    code = (here / "stage_package" / "imgret_colour.py").read_text()
    assert len(code.splitlines()) < 60
    assert f"```python\n{code}```" in (here.parent / "docs" / "stages.md").read_text()
