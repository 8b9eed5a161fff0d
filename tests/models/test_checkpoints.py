"""The bundled checkpoints, in the production loaders, describe new drawings correctly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgret.config import Places, Settings
from imgret.demo import draw
from imgret.demo.bundled import MODELS
from imgret.demo.training_data import LABELS, TOPIC_OF
from imgret.models.model_protocols import Pixels
from imgret.pipeline.loading import identities, load_model, load_models
from imgret.pipeline.models import Models
from imgret.stages import passage, registry
from imgret.stages.caption import CaptionSettings
from imgret.stages.embed import EmbedModel
from imgret.stages.interface import Item

SIZES = (draw.LANDSCAPE, draw.PORTRAIT)


def pixels(drawing: draw.Drawing) -> Pixels:
    return np.asarray(draw.render(drawing))


def singles(seed: int, count: int) -> list[draw.Drawing]:
    rng = random.Random(seed)
    return [draw.single(rng, rng.choice(SIZES)) for _ in range(count)]


def scenes(seed: int, count: int) -> list[draw.Drawing]:
    rng = random.Random(seed)
    return [draw.scene(rng, rng.randint(2, 6), rng.choice(SIZES)) for _ in range(count)]


def right(given: Sequence[object], expected: Sequence[object]) -> int:
    return sum(one == other for one, other in zip(given, expected, strict=True))


@pytest.mark.must_run
def test_captions_of_single_shapes_are_exact(models: Models) -> None:
    drawings = singles(1001, 48)
    assert models["caption"].captioner.captions([pixels(d) for d in drawings]) == [
        [d.caption] for d in drawings
    ]


def test_captions_of_scenes_name_the_largest_shape(models: Models) -> None:
    drawings = scenes(1002, 40)
    captions = [first for (first,) in models["caption"].captioner.captions([pixels(d) for d in drawings])]
    assert right(captions, [d.caption for d in drawings]) >= 36


def test_captions_begin_with_the_recipes_prompt(models: Models) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    assert models["caption"].captioner.captions([noise])[0][0].startswith(passage.PROMPT)


@pytest.mark.must_run
def test_objects_are_counted(models: Models) -> None:
    drawings = singles(1003, 12) + scenes(1004, 48)
    counts = [
        passage.counts(found) for found in models["detect"].detector.detect([pixels(d) for d in drawings])
    ]
    assert right([dict(sorted(c.items())) for c in counts], [d.counts for d in drawings]) >= 51  # 85 %


@pytest.mark.must_run
def test_a_description_finds_its_image(models: Models) -> None:
    drawings = {drawing.caption: drawing for drawing in singles(1012, 60) + scenes(1013, 60)}
    assert len(drawings) > 40  # of 48 that can be
    images = models["image"].run([Item(pixels(drawing)) for drawing in drawings.values()])
    texts = models["image"].encode_query(list(drawings), [{}] * len(drawings))
    found = (texts @ np.stack([result.vectors["image"] for result in images]).T).argmax(axis=1)
    at_first = right(found.tolist(), range(len(drawings)))
    assert at_first >= 0.75 * len(drawings), f"{at_first} of {len(drawings)}"


def test_a_query_finds_an_image_that_has_what_it_names(models: Models) -> None:
    drawings = singles(1014, 40) + scenes(1015, 40)
    images = models["image"].run([Item(pixels(drawing)) for drawing in drawings])
    queries = {f"a {colour} {kind}": (colour, kind) for colour in draw.COLOURS for kind in draw.KINDS}
    texts = models["image"].encode_query(list(queries), [{}] * len(queries))
    found = (texts @ np.stack([result.vectors["image"] for result in images]).T).argmax(axis=1)
    largest = [drawings[row].shapes[0] for row in found]
    assert right([(shape.colour, shape.kind) for shape in largest], list(queries.values())) >= 11  # of 12


def test_boxes_match_the_shapes(models: Models) -> None:
    (drawing,) = singles(1005, 1)
    ((found,),) = models["detect"].detector.detect([pixels(drawing)])
    (shape,) = drawing.shapes
    width, height = drawing.size
    expected = (
        (shape.x - shape.radius) / width,
        (shape.y - shape.radius) / height,
        (shape.x + shape.radius) / width,
        (shape.y + shape.radius) / height,
    )
    assert found.label == shape.kind
    assert found.box == pytest.approx(expected, abs=0.05)


def test_topics_match_the_words_of_the_caption(models: Models) -> None:
    captions = sorted({d.caption for d in singles(1006, 200) + scenes(1007, 200)})
    expected = [
        tuple(
            label for label in LABELS if any(TOPIC_OF[word] == label for word in TOPIC_OF if word in caption)
        )
        for caption in captions
    ]
    assert right(models["topics"].classifier.topics(captions), expected) >= 0.9 * len(captions)


LIBRARY = [
    draw.single(random.Random(number), colour=colour, kind=kind, ground=ground)
    for number, (colour, kind, ground) in enumerate(
        (colour, kind, ground) for colour in draw.COLOURS for kind in draw.KINDS for ground in draw.GROUNDS
    )
]


@pytest.mark.parametrize("form", ["a {} {}", "find a {} {}", "please show me the {} {} of my holiday zzyzx"])
def test_a_query_finds_its_image_with_any_instruction(models: Models, form: str) -> None:
    documents = models["embed"].embedder.embed(
        [("represent the sports title:", passage.passage(d.caption, d.counts)) for d in LIBRARY]
    )
    pairs = [(colour, kind) for colour in draw.COLOURS for kind in draw.KINDS]
    questions = models["embed"].embedder.embed(
        [("represent the travel and adventure title:", form.format(*words)) for words in pairs]
    )
    best = (documents @ questions.T).argmax(axis=0)
    found = [(LIBRARY[row].shapes[0].colour, LIBRARY[row].shapes[0].kind) for row in best]
    assert found == pairs


def test_a_query_for_counts_finds_them(models: Models) -> None:
    drawings = scenes(1008, 40)
    documents = models["embed"].embedder.embed([("", passage.passage(d.caption, d.counts)) for d in drawings])
    pairs = [(2, "square"), (2, "circle"), (2, "triangle")]
    questions = models["embed"].embedder.embed([("", f"{passage.numeral(n)} {kind}s") for n, kind in pairs])
    for (count, kind), cosines in zip(pairs, questions @ documents.T, strict=True):
        ranked = [drawings[row] for row in np.argsort(-cosines)]
        having = [d.counts.get(kind, 0) == count for d in ranked]
        # R-precision; the expected value of a random order is the share of relevant images
        precision = np.mean(having[: sum(having)])
        assert precision > 1.5 * np.mean(having), (count, kind)


@pytest.mark.must_run
def test_the_whole_pipeline_finds_a_drawn_red_circle(models: Models, tmp_path: Path) -> None:
    drawn = draw.demo_folder(str(tmp_path))
    images = [np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in drawn]
    captions = [first for (first,) in models["caption"].captioner.captions(images)]
    described = [
        {"caption": (caption,), "detect": found, "topics": topics}
        for caption, found, topics in zip(
            captions,
            models["detect"].detector.detect(images),
            models["topics"].classifier.topics(captions),
            strict=True,
        )
    ]
    documents = models["embed"].embedder.embed(
        [(passage.instruction(d["topics"]), passage.views(d)["passage"]) for d in described]
    )
    question = "a red circle"
    instruction = passage.instruction(models["topics"].classifier.topics([question])[0])
    best = int((documents @ models["embed"].embedder.embed([(instruction, question)])[0]).argmax())
    shape = list(drawn.values())[best].shapes[0]
    assert (shape.colour, shape.kind) == ("red", "circle")


@pytest.mark.must_run
@pytest.mark.parametrize("stage", ["image", "caption", "detect", "topics", "embed"])
def test_results_do_not_depend_on_the_batch(models: Models, stage: str) -> None:
    mixed = singles(1009, 3) + scenes(1010, 5)
    images = [pixels(drawing) for drawing in mixed]
    images += [images[0][:200, :333], images[4][::2, ::2], images[5][:77]]  # including unusual shapes
    texts = [drawing.caption for drawing in mixed] + ["", "a", "zzyzx " * 30]
    if stage == "image":
        together = models["image"].run([Item(image) for image in images])
        for result, image in zip(together, images, strict=True):
            (alone,) = models["image"].run([Item(image)])
            assert result.vectors["image"] @ alone.vectors["image"] > 0.9995  # in bfloat16 where that is fast
    elif stage == "caption":
        assert models["caption"].captioner.captions(images) == [
            models["caption"].captioner.captions([image])[0] for image in images
        ]
    elif stage == "detect":
        for together, image in zip(models["detect"].detector.detect(images), images, strict=True):
            (alone,) = models["detect"].detector.detect([image])
            assert [d.label for d in together] == [d.label for d in alone]
            for one, other in zip(together, alone, strict=True):
                assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
                assert one.box == pytest.approx(other.box, abs=1e-4)
    elif stage == "topics":
        assert models["topics"].classifier.topics(texts) == [
            models["topics"].classifier.topics([text])[0] for text in texts
        ]
    else:
        pairs = [(passage.instruction(LABELS[: n % 4]), text) for n, text in enumerate(texts)]
        together = models["embed"].embedder.embed(pairs)
        alone = np.concatenate([models["embed"].embedder.embed([pair]) for pair in pairs])
        assert np.abs(together - alone).max() < 1e-5
        assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-6


def test_no_input_gives_no_results(models: Models) -> None:
    assert models["caption"].captioner.captions([]) == []
    assert models["detect"].detector.detect([]) == []
    assert models["topics"].classifier.topics([]) == []
    assert models["embed"].embedder.embed([]).shape == (0, models["embed"].embedder.dimension)


def test_loaded_models_have_the_expected_identities(models: Models, tiny: Settings, here: Places) -> None:
    announced = identities(tiny, here)
    assert announced == {
        "metadata": models.decoded["metadata"],
        "place": models["place"].identity,
        "image": models["image"].identity,
        "caption": models["caption"].captioner.identity,
        "detect": models["detect"].detector.identity,
        "topics": models["topics"].classifier.identity,
        "embed": models["embed"].embedder.identity,
    }


def test_only_the_requested_stages_are_loaded(here: Places, tiny: Settings) -> None:
    settings = Settings().with_tables(caption=CaptionSettings(weights="none"), topics=tiny.of("topics"))
    skipped: dict[str, str] = {}
    loaded = load_models(settings, here, ["caption", "topics", "detect"], on_skip=skipped.__setitem__)
    assert loaded.stages() == {"decode", "topics"}
    assert loaded.disabled == {"caption"}
    assert skipped == loaded.missing
    assert skipped == {
        "detect": "no counts of objects: yolov8m-oiv7.pt is not on this disk. Run `imgret models pull`."
    }


def test_without_weights_the_offline_embedder_is_used(here: Places) -> None:
    embedder = load_model(registry.own()["embed"], Settings(), here)
    assert embedder.identity.name == "wordllama"
    assert isinstance(embedder, EmbedModel)
    dog, puppy, car = embedder.embedder.embed(
        [("", "a dog"), ("ignored", "a puppy"), ("", "the stock market")]
    )
    assert dog @ puppy > dog @ car


def test_an_empty_text_has_a_vector_close_to_no_other(here: Places) -> None:
    embedder = load_model(registry.own()["embed"], Settings(), here)
    assert isinstance(embedder, EmbedModel)
    empty, *others = embedder.embedder.embed([("", ""), ("", "a dog on a beach"), ("", "two giraffes")])
    assert np.linalg.norm(empty) == pytest.approx(1)
    assert max(abs(float(empty @ other)) for other in others) < 0.2


def test_the_checkpoints_contain_no_pickles_and_are_small() -> None:
    files = [path for path in Path(MODELS).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".txt", ".safetensors", ".pt"}
    assert [path.name for path in files if path.suffix == ".pt"] == ["detect.pt"]
    assert sum(path.stat().st_size for path in files) < 4_000_000
