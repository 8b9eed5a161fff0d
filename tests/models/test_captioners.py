"""Captioners by name: tiny random checkpoints of the classes of Florence-2, SmolVLM 2 and Qwen3-VL."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_captioners import MAKERS

from imgret.config import Places, Settings
from imgret.demo import draw
from imgret.demo.bundled import MODELS
from imgret.errors import WeightsError
from imgret.models import captioners
from imgret.photo import ModelIdentity
from imgret.pipeline import loading
from imgret.stages import registry
from imgret.stages.caption import CaptionSettings
from imgret.stages.interface import Item, StageModel

KINDS = sorted(MAKERS)
SHAPES = ((40, 60), (64, 64), (120, 30), (33, 90), (16, 16))
Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Return folder(kind) -> the checkpoint of a kind, which tests must not change."""
    made: dict[str, Path] = {}

    def find(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("captioners") / kind
            MAKERS[kind](made[kind])
        return made[kind]

    return find


def images() -> list[Any]:
    noise = np.random.default_rng(0)
    return [noise.integers(0, 255, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


def loaded(path: Path, here: Places, **settings: Any) -> StageModel:
    """Load a captioner as `imgret index` does."""
    given = msgspec.structs.replace(CaptionSettings(weights=str(path), max_tokens=10, beams=2), **settings)
    return registry.own()["caption"].load(given, here, "cpu")


def captions(model: StageModel, photos: list[Any]) -> list[tuple[str, ...]]:
    return [result.payload for result in model.run([Item(photo) for photo in photos])]  # type: ignore[union-attr]


@pytest.mark.must_run
@pytest.mark.parametrize("kind", KINDS)
def test_captions_do_not_depend_on_the_batch(folder: Folder, here: Places, kind: str) -> None:
    model = loaded(folder(kind), here, captions=3)
    together = captions(model, images())
    assert together == [captions(model, [image])[0] for image in images()]
    assert together == captions(model, images()[::-1])[::-1]
    assert len(set(together)) > 2
    assert max(map(len, together)) == 3
    model.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_caption_is_that_of_the_library(folder: Folder, here: Places, kind: str) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder(kind))
    model = AutoModelForImageTextToText.from_pretrained(folder(kind)).eval()
    prompt = "<CAPTION>" if kind == "florence" else "Describe this photo"
    found = captions(loaded(folder(kind), here, prompts=(prompt,)), images())
    for image, (caption,) in zip(images(), found, strict=True):
        picture = Image.fromarray(image)
        if kind == "florence":
            inputs = processor(images=picture, text=prompt, return_tensors="pt")
        else:
            content = [{"type": "image", "image": picture}, {"type": "text", "text": prompt}]
            inputs = processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        with torch.inference_mode():
            ids = model.generate(**inputs, max_new_tokens=10, num_beams=2, do_sample=False)
        if kind == "florence":
            text = processor.batch_decode(ids, skip_special_tokens=False)[0]
            expected = processor.post_process_generation(text, task=prompt)[prompt]
        else:
            new = ids[:, inputs["input_ids"].shape[1] :]
            expected = processor.batch_decode(new, skip_special_tokens=True)[0].strip()
        assert caption == expected


@pytest.mark.parametrize("kind", KINDS)
def test_captions_are_as_long_as_allowed_and_differ_by_prompt(
    folder: Folder, here: Places, kind: str
) -> None:
    prompts = (
        ("<CAPTION>", "<MORE_DETAILED_CAPTION>") if kind == "florence" else ("photo", "a red dog on grass ?")
    )
    model = loaded(folder(kind), here, prompts=prompts, max_tokens=4, dtype="bfloat16")
    found = captions(model, images())
    assert all(len(caption.split()) <= 4 for both in found for caption in both)
    assert any(len(both) == 2 for both in found)
    assert "prompts=['" in model.identity.settings
    model.close()


@pytest.mark.parametrize("kind", KINDS)
def test_no_images_are_no_captions(folder: Folder, kind: str) -> None:
    model = captioners.load(str(folder(kind)), ModelIdentity("x", "1"), "cpu", blip_prompt="a ")
    assert model.captions([]) == []


def test_the_random_state_of_the_program_is_not_what_captions_depend_on(folder: Folder, here: Places) -> None:
    model = loaded(folder("florence"), here, captions=3)
    torch.manual_seed(1)
    first = captions(model, images())
    torch.manual_seed(2)
    assert captions(model, images()) == first


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("kind", "change", "settings", "problem", "advice"),
    [
        ("qwen", without("chat_template.jinja"), {}, "has no chat template", "often called Instruct"),
        ("smolvlm", without("processor_config.json"), {}, "no processor", "Download these weights again"),
        ("florence", without("tokenizer.json"), {}, "cannot load|no processor|cannot be loaded", ""),
        (
            "florence",
            lambda _: None,
            {"prompts": ("<OD>",)},
            "'<OD>' is not a task",
            "<MORE_DETAILED_CAPTION>",
        ),
        ("qwen", config(model_type="clip"), {}, "of the class 'clip', which writes no captions", "SmolVLM 2"),
        ("qwen", config(model_type=None), {}, "does not name the class", "SmolVLM 2"),
        ("qwen", config(auto_map={"AutoModel": "x.Y"}), {}, "refers to program code", "choose other weights"),
        (
            "qwen",
            lambda folder: (folder / "chat_template.jinja").write_text("{{ messages.__class__.__mro__ }}"),
            {},
            "cannot be loaded",
            "",
        ),
        (
            "qwen",
            lambda folder: (folder / "chat_template.jinja").write_text("{{ 'x' * 30000 }}"),
            {},
            "makes 30000 characters",
            "",
        ),
    ],
)
def test_what_cannot_caption_is_refused_with_a_sentence(
    folder: Folder,
    here: Places,
    tmp_path: Path,
    kind: str,
    change: Callable[[Path], None],
    settings: dict[str, Any],
    problem: str,
    advice: str,
) -> None:
    copy = tmp_path / kind
    shutil.copytree(folder(kind), copy)
    change(copy)
    with pytest.raises(WeightsError, match=problem) as refused:
        loaded(copy, here, **settings)
    assert advice in refused.value.hint
    assert "\n" not in str(refused.value)


def test_a_classifier_is_not_a_captioner(here: Places) -> None:
    with pytest.raises(WeightsError, match="of the class 'roberta', which writes no captions"):
        loaded(Path(MODELS) / "topics", here)


def test_a_package_that_a_processor_lacks_is_named(
    folder: Folder, here: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.smolvlm import processing_smolvlm

    path = folder("smolvlm")
    monkeypatch.setattr(processing_smolvlm, "num2words", None)
    with pytest.raises(WeightsError, match="num2words") as refused:
        loaded(path, here)
    assert refused.value.hint == "Install the package that it names."


def test_a_prompt_that_leaves_no_room_is_refused(here: Places) -> None:
    """The tiny BLIP has 64 positions."""
    path = Path(MODELS) / "caption"
    with pytest.raises(WeightsError, match="has 64 positions") as refused:
        loaded(path, here, max_tokens=62)
    assert "max_tokens" in refused.value.hint
    photo = np.asarray(draw.render(draw.single(random.Random(3))))
    model = loaded(path, here, max_tokens=61)
    assert captions(model, [photo])
    model.close()


def test_captioners_are_joined(folder: Folder, here: Places) -> None:
    first, second = Path(MODELS) / "caption", folder("qwen")
    settings = CaptionSettings(weights=str(first), also=(str(second),), max_tokens=10)
    caption = registry.own()["caption"]
    model = caption.load(settings, here, "cpu")
    photo = np.asarray(draw.render(draw.single(random.Random(3))))
    one, other = (loaded(path, here, beams=3) for path in (first, second))
    assert captions(model, [photo]) == [(*captions(one, [photo])[0], *captions(other, [photo])[0])]
    assert model.identity == caption.identity(settings, here)
    assert model.identity.settings.startswith(one.identity.settings + " also=['qwen@sha256:")
    assert loading.identities(Settings().with_tables(caption=settings), here)["caption"] == model.identity
    for each in (model, one, other):
        each.close()


def test_a_further_captioner_that_is_missing_is_named(folder: Folder, here: Places) -> None:
    settings = CaptionSettings(weights=str(Path(MODELS) / "caption"), also=("someone/captioner",))
    given = Settings().with_tables(caption=settings)
    caption = registry.own()["caption"]
    assert caption.identity(settings, here) is None
    assert "someone/captioner is not on this disk" in loading.missing(given, here)["caption"]
    assert [(found.name, found.present) for found in loading.locate_each(caption, given, here)] == [
        (str(Path(MODELS) / "caption"), True),
        ("someone/captioner", False),
    ]
    models = loading.load_models(given, here, ["caption"])
    assert "someone/captioner is not on this disk" in models.missing["caption"]


def test_another_chat_template_is_another_identity(folder: Folder, here: Places, tmp_path: Path) -> None:
    copy = tmp_path / "qwen"
    shutil.copytree(folder("qwen"), copy)
    caption = registry.own()["caption"]
    before = caption.identity(CaptionSettings(weights=str(copy)), here)
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text() + "\n")
    after = caption.identity(CaptionSettings(weights=str(copy)), here)
    assert before is not None
    assert after is not None
    assert before.revision != after.revision
