"""The registry: an order in which each stage follows its inputs, and stages that cannot be used cost themselves alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.stages import Stage, StageSettings, Tag, TextColumn, caption, registry
from imgret.stages.interface import PIXELS, SOURCES
from imgret.stages.registry import Registry
from imgret.terminal.clean import clean

OWN = ("metadata", "place", "image", "caption", "detect", "ocr", "topics", "embed")


def made(name: str, inputs: tuple[str, ...] = (PIXELS,), **more: object) -> Stage:
    """A stage with the required attributes only."""
    return type(name, (Stage,), {"name": name, "inputs": inputs, "noun": f"{name}s", **more})()


def test_each_stage_comes_after_those_that_it_needs() -> None:
    assert registry.own().names == OWN
    assert registry.own().problems == {}


def test_what_follows_from_what_is_derived_from_the_inputs() -> None:
    """These were written by hand once."""
    followers = {
        "decode": (),
        "caption": ("topics", "embed"),
        "detect": ("embed",),
        "topics": ("embed",),
        "embed": (),
        "note": ("embed",),
    }
    assert {name: registry.own().followers(name) for name in followers} == followers
    assert registry.own().all_followers(["caption"]) == {"topics", "embed"}
    assert registry.own().all_followers(["decode", "embed"]) == set()


def test_only_topics_wait_for_their_caption() -> None:
    assert {stage.name: stage.required for stage in registry.own().stages} == {
        "metadata": (),
        "place": (),
        "image": (),
        "caption": (),
        "detect": (),
        "ocr": (),
        "topics": ("caption",),
        "embed": (),
    }


def test_images_are_released_before_texts_are_processed() -> None:
    extra = made("colour")
    late = made("crop", (PIXELS, "topics"))
    found = Registry([*registry.own().stages, late, extra]).pixels_first()
    assert [stage.name for stage in found] == [
        "image",
        "caption",
        "detect",
        "ocr",
        "colour",
        "metadata",
        "place",
        "topics",
        "crop",
        "embed",
    ]


@given(st.permutations("abcdefgh"), st.data())
def test_any_order_of_stages_without_a_circle_is_sorted(names: list[str], data: st.DataObject) -> None:
    stages = []
    for place, name in enumerate(names):
        inputs = data.draw(st.sets(st.sampled_from(names[:place]))) if place else set()
        stages.append(made(name, (PIXELS, *sorted(inputs))))
    found = Registry(data.draw(st.permutations(stages)))
    assert found.problems == {}
    assert set(found.names) == set(names)
    seen = set(SOURCES)
    for stage in found.stages:
        assert seen.issuperset(stage.inputs)
        seen.add(stage.name)
    assert {stage.name for stage in found.pixels_first()} == set(names)


def test_a_circle_stops_its_stages_and_those_that_need_them() -> None:
    circle = [made("a", ("c",)), made("b", ("a",)), made("c", ("b",))]
    found = Registry([*registry.own().stages, *circle, made("d", (PIXELS, "a")), made("e")])
    assert found.names == (*OWN, "e")
    assert found.problems == {
        **dict.fromkeys("abc", "it depends on its own results: a -> c -> b -> a"),
        "d": "it needs the results of a, and there is no such stage",
    }


def test_a_stage_that_needs_itself_is_a_circle() -> None:
    assert Registry([made("a", ("a",))]).problems == {"a": "it depends on its own results: a -> a"}


def test_the_first_of_two_stages_of_one_name_stays() -> None:
    first, second = made("a"), made("a")
    found = Registry([first, second])
    assert found["a"] is first
    assert found.problems == {"a": "there is another stage called a"}


class OwnSettings(StageSettings, frozen=True):
    """A table of its own."""

    level: float = 0.5


class NoDefault(StageSettings, frozen=True, kw_only=True):
    """A setting that has no default."""

    level: float


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (type("A", (Stage,), {"name": "a", "inputs": (PIXELS,)})(), "incomplete or wrong"),
        (made("Mean colour"), "'Mean colour' is not a valid name"),
        (made("a", ()), "it has no inputs"),
        (made("a", ("nothing",)), "needs the results of nothing"),
        (made("a", tier=4), "tier"),
        (made("a", requires=("caption",)), "requires a stage that is not among its inputs"),
        (made("a", settings=NoDefault), "incomplete or wrong"),
        (made("a", settings=OwnSettings, ranges={"most": (0, 1)}), "most has a range, but is not a setting"),
        (made("a", columns=(TextColumn("labels"),)), "labels is a reserved name"),
        (made("a", columns=(TextColumn("caption"),)), "another stage has a column caption"),
        (made("a", columns=(TextColumn("note"),)), "note is a reserved name"),
        (made("a", kinds=("camera",)), "camera: is a filter of the query language"),
        (made("a", views=("a view",)), "'a view' is not a valid name"),
        (made("daemon"), "daemon is a reserved name"),
        (made("caption"), "another stage called caption"),
    ],
)  # fmt: skip
def test_wrong_attributes_of_a_stage_are_reported(stage: Stage, words: str) -> None:
    found = Registry([*registry.own().stages, stage, made("other")])
    assert found.names == (*OWN, "other")
    assert words in found.problems[stage.name]


def test_names_of_the_configuration_and_of_filters_are_reserved() -> None:
    from imgret.config import Settings
    from imgret.search.filter_keys import KEYS

    assert set(Settings.__struct_fields__) <= registry.RESERVED | set(registry.OWN)
    assert set(KEYS) - {"topic"} <= registry.KEYS


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path in which packages are installed; the registry is read again."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("brightness", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    registry.installed.cache_clear()
    yield tmp_path
    registry.installed.cache_clear()


def install(folder: Path, name: str, code: str, points: str | None = None) -> None:
    """A package of one module, as pip leaves it."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[imgret.stages]\n{points or f'{name} = {name}:STAGE'}\n")


GOOD = """
from imgret.stages import Stage
class Brightness(Stage):
    name, inputs, noun = "brightness", ("pixels",), "brightness values"
STAGE = Brightness()
"""


def test_a_stage_of_another_package_is_found_and_imported_only_when_needed(packages: Path) -> None:
    install(packages, "brightness", GOOD)
    assert registry.find("caption") is registry.own()["caption"]
    assert registry.installed.cache_info().currsize == 0
    stage = registry.find("brightness")
    assert stage is not None
    assert registry.installed().names == (*OWN, "brightness")
    assert registry.find("nothing") is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("raise SystemExit(3)", "SystemExit"),
        ("STAGE = 3", "is not an instance of imgret.stages.Stage"),
        ("x = 1", "STAGE"),
        ("def", "SyntaxError"),
        (GOOD.replace('"brightness"', '"darkness"'), "is called 'darkness'"),
    ],
)
def test_a_broken_package_stops_its_stage_alone(packages: Path, code: str, words: str) -> None:
    install(packages, "broken", code)
    install(packages, "brightness", GOOD)
    found = registry.installed()
    assert found.names == (*OWN, "brightness")
    assert list(found.problems) == ["broken"]
    assert found.problems["broken"].startswith("broken 1.0 cannot be used: ")
    assert words in found.problems["broken"]


def test_a_package_cannot_take_the_place_of_a_stage_of_imgret(packages: Path) -> None:
    install(packages, "brightness", GOOD.replace('"brightness"', '"caption"'), "caption = brightness:STAGE")
    assert registry.installed()["caption"] is registry.own()["caption"]
    assert registry.installed().problems == {"caption": "there is another stage called caption"}


def test_what_the_own_stages_give_to_the_search() -> None:
    from imgret.photo import Detection

    found = registry.own()
    boxes = tuple(Detection(label, 0.9, (0, 0, 1, 1)) for label in ("street_sign", "dog", "dog"))
    assert found["detect"].json(boxes) == {"objects": {"street_sign": 1, "dog": 2}}
    assert found["detect"].json(None) == {"objects": {}}
    assert found["detect"].tags(boxes) == [Tag("object", "street_sign", 1), Tag("object", "dog", 2)]
    assert found["detect"].rows({"objects": {"dog": 2, "tree": 1}}) == [("objects", "2 dogs, 1 tree")]
    assert found["topics"].tags(("sports", "sports")) == [Tag("topic", "sports")]
    assert found["topics"].rows({"topics": ["food_&_dining"]}) == [("topics", "food & dining")]
    assert found["caption"].texts(("a dog", "a cat")) == {"caption": "a dog\x1ea cat"}
    assert found["caption"].json(None) == {"caption": None, "captions": []}
    assert found["caption"].json(()) == {"caption": "", "captions": []}
    shown = found["caption"].json(("a dog", "a cat"))
    assert shown == {"caption": "a dog", "captions": ["a dog", "a cat"]}
    assert found["caption"].rows(shown) == [("caption", "a dog"), ("also", "a cat")]
    assert found["embed"].json(("passage",)) == {}
    for name, payload in (
        ("detect", boxes),
        ("topics", ("sports",)),
        ("caption", ("a dog", "a cat")),
        ("embed", ("note",)),
    ):
        assert found[name].decode(msgspec.json.encode(payload)) == payload


@given(st.lists(st.text(max_size=30), max_size=5))
def test_captions_are_clean_and_each_stands_once(sentences: list[str]) -> None:
    found = caption.distinct(sentences)
    assert len({sentence.casefold() for sentence in found}) == len(found)
    for sentence in found:
        sentence.encode()  # no lone surrogates
        assert clean(sentence) == sentence == sentence.strip()
    assert caption.distinct(found) == found
    plain = [sentence.strip() for sentence in sentences if sentence.strip() and clean(sentence) == sentence]
    assert {sentence.casefold() for sentence in plain} <= {sentence.casefold() for sentence in found}


def test_odd_captions_are_mended() -> None:
    assert caption.distinct(["", " \n", "A dog", "a dog", "a\x1b[31m red\ncat\u202e"]) == (
        "A dog",
        "a [31m red cat",
    )
    (cut,) = caption.distinct(["word " * 2000])
    assert len(cut) <= caption.LONGEST
    assert cut.endswith("word")
    assert caption.distinct(["x" * 9000]) == ("x" * caption.LONGEST,)
