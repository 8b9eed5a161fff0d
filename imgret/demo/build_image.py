"""Train the demo's image-text encoder: a SigLIP for 64 x 64 pixels, in the layout of the real SigLIP 2."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

from imgret.demo import draw, training_data
from imgret.stages import passage

if TYPE_CHECKING:
    import torch

_SIDE, _PATCH, _WIDTH = 64, 8, 64
_LENGTH = 64  # tokens, as the real one


def image(out: str, images: int = 4000, steps: int = 1500) -> float:
    """Train the encoder with the sigmoid loss of SigLIP, save it to the folder `out`, and return the final loss.

    An image and a text are a pair if the image has all that the text states.
    """
    import torch
    from transformers import SiglipModel

    rng = random.Random(6)
    os.makedirs(out, exist_ok=True)
    tokenizer = _tokenizer(out, rng)
    processor = _processor(out)
    model = SiglipModel(_siglip_config(len(tokenizer)))
    known = [d for d, _ in zip(training_data.drawings(rng, 0.6, 0.25), range(images), strict=False)]
    pixels = torch.cat([processor(draw.render(d), return_tensors="pt")["pixel_values"] for d in known])
    with torch.no_grad():
        model.logit_scale.fill_(2.3)  # log 10, and the bias: as SigLIP's training begins
        model.logit_bias.fill_(-5.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    model.train()
    loss = torch.tensor(0.0)
    for step in range(steps):
        rows = torch.randint(images, (48,))
        stated = [_text(rng, known[row]) for row in rows.tolist()]
        tokens = tokenizer(
            [text for text, _ in stated],
            padding="max_length",
            max_length=_LENGTH,
            truncation=True,
            return_tensors="pt",
        )
        batch = pixels[rows].flip(-1) if step % 2 else pixels[rows]  # no text depends on left and right
        logits = model(input_ids=tokens["input_ids"], pixel_values=batch).logits_per_text
        loss = _sigmoid_loss(
            logits, [attributes for _, attributes in stated], [_facts(known[row]) for row in rows.tolist()]
        )
        training_data.training_step(model, loss, optimizer, schedule, 1.0)
    model.eval()
    model.save_pretrained(out)
    return loss.item()


def _sigmoid_loss(
    logits: torch.Tensor, texts: list[training_data.Attributes], images: list[training_data.Attributes]
) -> torch.Tensor:
    """Return the loss per text. `logits`: (texts, images)."""
    import torch

    pair = torch.tensor(
        [[1.0 if all(i.get(k) == v for k, v in t.items()) else -1.0 for i in images] for t in texts]
    )
    return -torch.nn.functional.logsigmoid(pair * logits).sum() / len(texts)


def _text(rng: random.Random, drawing: draw.Drawing) -> tuple[str, training_data.Attributes]:
    """Return a text about a drawing, and what it states: a query, a caption, or a caption with all counts."""
    facts = _facts(drawing)
    form = rng.random()
    if form < 0.5:
        return training_data.query(rng, drawing)
    if form < 0.75:
        return drawing.caption, {key: facts[key] for key in ("colour", "kind", "ground", "several")}
    counted = ", ".join(
        f"{passage.numeral(n)} {kind}{'s' if n > 1 else ''}" for kind, n in drawing.counts.items()
    )
    return f"{drawing.caption}: {counted}", facts


def _facts(drawing: draw.Drawing) -> training_data.Attributes:
    largest = drawing.shapes[0]
    counts = {kind: min(drawing.counts.get(kind, 0), 5) for kind in draw.KINDS}
    return {
        "colour": largest.colour,
        "kind": largest.kind,
        "ground": drawing.ground,
        "several": len(drawing.shapes) > 1,
        **counts,
    }


def _tokenizer(out: str, rng: random.Random) -> Any:
    """Write a tokenizer like that of SigLIP 2, whose class is Gemma's, and load it."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import GemmaTokenizer

    drawings = training_data.some(rng, 600)
    texts = [_text(rng, drawing)[0] for drawing in drawings] + [drawing.caption for drawing in drawings]
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    learned = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))  # noqa: S106
    learned.normalizer = normalizers.Replace(" ", "\u2581")
    learned.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    learned.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    letters = [chr(code) for code in range(32, 127)]
    learned.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=special, initial_alphabet=letters, show_progress=False
        ),
    )
    tokenizer = GemmaTokenizer(
        tokenizer_object=learned,
        padding_side="right",
        add_bos_token=False,
        add_eos_token=True,
        model_max_length=_LENGTH,
        processor_class="SiglipProcessor",
    )
    tokenizer.save_pretrained(out)
    return tokenizer


def _processor(out: str) -> Any:
    """Write the preprocessor to `out` in the layout of the real repository, and load it."""
    from transformers import AutoImageProcessor

    preprocessor = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "SiglipImageProcessor",
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "SiglipProcessor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": _SIDE, "width": _SIDE},
    }
    with open(os.path.join(out, "preprocessor_config.json"), "w", encoding="utf-8") as file:
        json.dump(preprocessor, file, indent=2)
    return AutoImageProcessor.from_pretrained(out, backend="pil", local_files_only=True)


def _siglip_config(vocabulary: int) -> Any:
    from transformers import SiglipConfig

    shared = {"hidden_size": _WIDTH, "intermediate_size": 112, "num_attention_heads": 4}
    return SiglipConfig(
        text_config=shared
        | {
            "vocab_size": vocabulary,
            "num_hidden_layers": 2,
            "max_position_embeddings": _LENGTH,
            "projection_size": _WIDTH,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 1,
        },
        vision_config=shared | {"image_size": _SIDE, "patch_size": _PATCH, "num_hidden_layers": 3},
    )
