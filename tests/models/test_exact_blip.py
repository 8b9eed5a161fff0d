"""The captioner's real architecture (BLIP base, 384 pixels) with random weights, in the production loader."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgret.config import Places, Settings
from imgret.models.model_protocols import Pixels
from imgret.pipeline.loading import load_models
from imgret.stages.caption import CaptionSettings
from imgret.stages.passage import PROMPT

TOKENS = 6  # random weights never end a sentence by themselves; more tokens only take longer


@pytest.fixture(scope="module")
def base(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the real repository's layout: its own config and tokenizer, random weights (0.9 GB)."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration

    folder = tmp_path_factory.mktemp("blip-base")
    if shutil.disk_usage(folder).free < 4_000_000_000:
        pytest.skip("less than 4 GB are free for a checkpoint of the real size")
    for path in (seed / "fusecap").iterdir():
        shutil.copyfile(path, folder / path.name)
    torch.manual_seed(7)
    model = BlipForConditionalGeneration(BlipConfig.from_pretrained(folder))
    with torch.no_grad():
        # the published initialisation of the vision model is 1e-10: all images would be encoded alike
        for parameter in model.vision_model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.05)
    model.save_pretrained(folder)
    return folder


def test_four_photos_in_a_batch_get_the_same_captions_as_one_by_one(
    base: Path, seed: Path, here: Places
) -> None:
    settings = Settings(device="cpu").with_tables(
        caption=CaptionSettings(weights=str(base), max_tokens=TOKENS, dtype="float32")
    )
    photos = [
        np.asarray(Image.open(path).convert("RGB")) for path in sorted((seed / "gallery").glob("*.jpg"))[:4]
    ]
    loaded = load_models(settings, here, ["caption"])
    assert not loaded.missing
    together = loaded["caption"].captioner.captions(photos)
    assert together == [loaded["caption"].captioner.captions([photo])[0] for photo in photos]
    assert all(caption.startswith(PROMPT.strip()) for (caption,) in together)
    assert together[:2] == [[_by_transformers(base, photo)] for photo in photos[:2]]
    assert together[0] != together[1]
    loaded.close()


def _by_transformers(base: Path, photo: Pixels) -> str:
    """Caption a photo with the library, as in its documentation."""
    import torch
    from transformers import BlipForConditionalGeneration, BlipProcessor

    processor = BlipProcessor.from_pretrained(base, backend="pil")
    inputs = processor(Image.fromarray(photo), PROMPT, return_tensors="pt")
    model = BlipForConditionalGeneration.from_pretrained(base).eval()
    with torch.inference_mode():
        ids = model.generate(**inputs, num_beams=3, max_new_tokens=TOKENS)
    caption: str = processor.decode(ids[0], skip_special_tokens=True, clean_up_tokenization_spaces=True)
    return caption.strip()
