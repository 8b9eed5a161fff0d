"""Image-text encoders: vectors equal those of transformers, whatever the class, the layout and the precision."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from image_text_checkpoints import CLASSES, LENGTH, SIDE, clip, edit_json, gemma, naflex, siglip
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, CLIPTokenizer, GemmaTokenizer

from imgret.errors import WeightsError
from imgret.models.image_text import ImageTextEncoder
from imgret.models.image_text_pixels import ImageInputs
from imgret.models.image_text_tokens import TextTokenizer
from imgret.photo import ModelIdentity
from imgret.weights import vetting

TEXTS = ["a red circle", "Two BLUE squares!", "x", "A photo of a dog, and of its owner, on a beach", "ü 犬"]
SIZES = [
    (48, 40),
    (40, 48),
    (SIDE, SIDE),
    (1, 1),
    (3, 3),
    (1, 3),
    (3, 1),
    (400, 20),
    (20, 400),
]  # width, height


def encoder(path: str, dtype: str = "float32") -> ImageTextEncoder:
    return ImageTextEncoder(path, ModelIdentity("tiny", "1"), "cpu", dtype=dtype)


def images(sizes: list[tuple[int, int]] = SIZES) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for width, height in sizes]


@pytest.fixture(scope="module", params=CLASSES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return request.param, CLASSES[request.param](tmp_path_factory.mktemp(request.param))


def by_transformers(path: str, texts: list[str]) -> torch.Tensor:
    """Text vectors from the model and the tokenizer of transformers."""
    model = AutoModel.from_pretrained(path).eval()
    if model.config.model_type == "clip":
        tokens = CLIPTokenizer.from_pretrained(path)(
            texts, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt"
        )
    else:
        tokens = GemmaTokenizer.from_pretrained(path)(
            [text.lower() for text in texts],
            padding="max_length",
            truncation=True,
            max_length=LENGTH,
            return_tensors="pt",
        )
        del tokens["attention_mask"]  # SigLIP was trained without
    with torch.inference_mode():
        return torch.nn.functional.normalize(model.get_text_features(**tokens).pooler_output, dim=-1)


def test_text_vectors_equal_those_of_transformers(checkpoint: tuple[str, str]):
    _, path = checkpoint
    made = encoder(path).embed_texts(TEXTS)
    np.testing.assert_allclose(made, by_transformers(path, TEXTS).numpy(), atol=2e-5)
    assert abs(made @ made.T - np.eye(len(TEXTS))).max() > 0.01  # texts have different vectors


def test_image_vectors_and_pixels_equal_those_of_transformers(checkpoint: tuple[str, str]):
    _, path = checkpoint
    processor = AutoImageProcessor.from_pretrained(path, backend="pil")
    expected = processor([Image.fromarray(image) for image in images()], return_tensors="pt")
    inputs = ImageInputs(path)(images(), "cpu", torch.float32)
    assert inputs.keys() == expected.keys()
    for key, value in inputs.items():
        assert torch.equal(value, expected[key].to(value.dtype)), key
    with torch.inference_mode():
        features = AutoModel.from_pretrained(path).eval().get_image_features(**expected).pooler_output
    made = encoder(path).embed_images(images())
    np.testing.assert_allclose(made, torch.nn.functional.normalize(features, dim=-1).numpy(), atol=2e-5)


def test_vectors_do_not_depend_on_the_batch(checkpoint: tuple[str, str]):
    tiny = encoder(checkpoint[1])
    together, alone = tiny.embed_images(images()), [tiny.embed_images([image])[0] for image in images()]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)
    np.testing.assert_allclose(tiny.embed_texts(TEXTS * 9)[: len(TEXTS)], tiny.embed_texts(TEXTS), atol=1e-5)
    assert tiny.embed_images([]).shape == tiny.embed_texts([]).shape == (0, tiny.dimension)


def test_a_strip_of_one_row_needs_little_memory(checkpoint: tuple[str, str]):
    made = encoder(checkpoint[1]).embed_images(
        [np.full((1, 60_000, 3), 200, np.uint8), np.zeros((60_000, 1, 3), np.uint8)]
    )
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_and_in_shards(tmp_path: Path, stored: torch.dtype):
    whole = encoder(siglip(tmp_path / "whole", dtype=stored))
    sharded = encoder(siglip(tmp_path / "shards", dtype=stored, max_shard_size="20KB"))
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    np.testing.assert_array_equal(whole.embed_texts(TEXTS), sharded.embed_texts(TEXTS))
    np.testing.assert_array_equal(whole.embed_images(images()), sharded.embed_images(images()))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_computing_in_half_precision(checkpoint: tuple[str, str], dtype: str):
    exact, half = encoder(checkpoint[1]), encoder(checkpoint[1], dtype)
    for made, expected in (
        (half.embed_texts(TEXTS), exact.embed_texts(TEXTS)),
        (half.embed_images(images()), exact.embed_images(images())),
    ):
        assert made.dtype == np.float32
        assert (made * expected).sum(axis=1).min() > 0.99


def test_the_text_tower_holds_no_vocabulary_and_no_image_tower(tmp_path: Path):
    path = siglip(tmp_path, vocabulary=50_000)
    tiny = encoder(path)
    tiny.load_texts()
    model, _ = tiny._text_tower
    assert sum(parameter.numel() for parameter in model.parameters()) < 50_000
    assert model.vision_model is None
    np.testing.assert_allclose(tiny.embed_texts(TEXTS), by_transformers(path, TEXTS).numpy(), atol=2e-5)


def test_a_vocabulary_that_changes_in_use_is_refused(tmp_path: Path):
    path = siglip(tmp_path)
    tiny = encoder(path)
    tiny.load_texts()
    os.truncate(tmp_path / "model.safetensors", 4096)
    with pytest.raises(WeightsError, match=r"model\.safetensors was changed while it was in use"):
        tiny.embed_texts(TEXTS)


def test_siglip_lower_cases_and_keeps_the_end_token_of_a_long_text(tmp_path: Path):
    tokenizer = TextTokenizer(siglip(tmp_path), "siglip", LENGTH)
    ids, mask = tokenizer(["Red", "red", "word " * 2000])
    assert mask is None
    assert ids.shape == (3, LENGTH)
    assert (ids[0] == ids[1]).all()
    assert ids[0].tolist() == [*gemma()("red")["input_ids"], *[0] * (LENGTH - 4)]
    assert ids[2, -1] == gemma().eos_token_id


def test_the_first_siglip_ignores_punctuation(tmp_path: Path):
    path = siglip(tmp_path)
    edit_json(path, "tokenizer_config.json", tokenizer_class="SiglipTokenizer")
    ids, _ = TextTokenizer(path, "siglip", LENGTH)(["Red, blue!", "red blue"])
    assert (ids[0] == ids[1]).all()


def test_a_query_of_ten_thousand_characters(checkpoint: tuple[str, str]):
    long = "a red circle " * 800
    tiny = encoder(checkpoint[1])
    made = tiny.embed_texts([long, long[:200]])
    np.testing.assert_allclose(made[0], made[1], atol=1e-6)


def without(path: str, prefix: str) -> None:
    """Remove the tensors whose name begins with `prefix`."""
    from safetensors.torch import load_file, save_file

    file = os.path.join(path, "model.safetensors")
    save_file({name: tensor for name, tensor in load_file(file).items() if not name.startswith(prefix)}, file)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("text_", "has no weights of the text tower"),
        ("vis", "has no weights of the image tower"),
        ("text_model.final_layer_norm", "has no text_model.final_layer_norm"),
    ],
)
@pytest.mark.parametrize("make", [clip, siglip])
def test_a_checkpoint_without_a_part_is_refused(tmp_path: Path, make, prefix: str, message: str):
    path = make(tmp_path)
    without(path, prefix)
    with pytest.raises(WeightsError, match=message):
        encoder(path).load_texts()


def test_settings_that_do_not_fit_the_weights_are_refused(tmp_path: Path):
    path = siglip(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 48
    edit_json(path, "config.json", text_config=config["text_config"])
    with pytest.raises(WeightsError, match="of shape"):
        encoder(path).load_texts()


def test_a_model_of_another_type_is_refused(tmp_path: Path):
    from transformers import BertConfig, BertModel

    BertModel(
        BertConfig(
            hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9
        )
    ).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="type bert, which does not compare images with texts"):
        encoder(str(tmp_path))


@pytest.mark.parametrize(
    "lost", ["model.safetensors", "preprocessor_config.json", "tokenizer.json", "config.json"]
)
def test_a_missing_file_is_reported(tmp_path: Path, lost: str):
    path = naflex(tmp_path)
    os.unlink(tmp_path / lost)
    if lost == "tokenizer.json":
        os.unlink(tmp_path / "tokenizer_config.json")
    with pytest.raises(WeightsError, match=str(tmp_path)):
        tiny = encoder(path)
        tiny.load_texts()
        tiny.load_images()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"\x08" + b"\0" * 7 + b"nonsense"])
def test_a_damaged_file_is_reported(tmp_path: Path, content: bytes):
    path = siglip(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=str(tmp_path)):
        encoder(path)


def test_a_tokenizer_without_padding_is_refused(tmp_path: Path):
    path = siglip(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="names no pad_token"):
        encoder(path).load_texts()


def test_program_code_is_refused(tmp_path: Path):
    path = siglip(tmp_path)
    edit_json(path, "config.json", auto_map={"AutoModel": "modeling_custom.Custom"})
    with pytest.raises(WeightsError, match="refers to program code"):
        vetting.check(path)


def test_the_older_layout_of_a_tokenizer(tmp_path: Path):
    path = clip(tmp_path / "new")
    expected = encoder(path).embed_texts(TEXTS)
    old = shutil.copytree(path, tmp_path / "old")
    tokenizer = json.loads((old / "tokenizer.json").read_text())
    (old / "vocab.json").write_text(json.dumps(tokenizer["model"]["vocab"]))
    (old / "merges.txt").write_text("#version: 0.2\n")
    os.unlink(old / "tokenizer.json")
    np.testing.assert_array_equal(encoder(str(old)).embed_texts(TEXTS), expected)
