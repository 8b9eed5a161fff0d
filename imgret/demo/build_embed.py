"""The demo's embedder: an INSTRUCTOR in the real one's layout, taught what answers a question."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from typing import Any

from imgret.demo import lessons
from imgret.stages import passage

_SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}  # T5's, in its order
_DIMENSION = 768  # of the real model's vectors


def embed(out: str, steps: int = 700, width: int = 64) -> float:
    """An INSTRUCTOR: T5 encoder, mean, Dense to 768, Normalize -> the folder `out`; returns the final loss.

    Learns, whatever the instruction, that a question lies nearer to the texts that answer it than to others.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
    from transformers import T5Config, T5EncoderModel

    rng = random.Random(5)
    tokenizer = _unigram(rng)
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=16,
            d_ff=2 * width,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="relu",
            dropout_rate=0.0,
        )
    )
    with tempfile.TemporaryDirectory() as bare:
        encoder.save_pretrained(bare)
        tokenizer.save_pretrained(bare)
        model = SentenceTransformer(
            modules=[
                Transformer(bare, max_seq_length=512),
                Pooling(width, "mean", include_prompt=False),
                Dense(width, _DIMENSION, bias=False, activation_function=torch.nn.Identity()),
                Normalize(),
            ],
            device="cpu",
        )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    model.train()
    loss = torch.tensor(0.0)
    for _ in range(steps):
        drawings = lessons.some(rng, 32)
        questions = [lessons.question(rng, drawing) for drawing in drawings]
        documents = [lessons.document(rng, drawing) for drawing in drawings]
        cosines = (
            _vectors(model, rng, [text for text, _ in questions])
            @ _vectors(model, rng, [text for text, _ in documents]).T
        )
        loss = _contrast(cosines, [said for _, said in questions], [said for _, said in documents])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    model.save(out, create_model_card=False)
    return loss.item()


def _contrast(cosines: Any, asked: list[lessons.Said], told: list[lessons.Said]) -> Any:
    """The share of the answers among the answers and the wrong ones, -log, mean over the questions.

    What a text does not speak of is neither an answer nor wrong, and left out.
    """
    import torch

    answers = torch.tensor([[all(t.get(k) == v for k, v in a.items()) for t in told] for a in asked])
    wrong = torch.tensor([[any(k in t and t[k] != v for k, v in a.items()) for t in told] for a in asked])
    scaled = cosines / 0.07
    among = scaled.masked_fill(~(answers | wrong), -1e4).logsumexp(1)
    right = scaled.masked_fill(~answers, -1e4).logsumexp(1)
    return (among - right)[answers.any(1)].mean()


def _vectors(model: Any, rng: random.Random, texts: list[str]) -> Any:
    """(texts, 768), each under an instruction of its own: attended to, and left out of the mean."""
    import torch

    instructions = [passage.instruction(rng.sample(lessons.LABELS, rng.randint(0, 2))) for _ in texts]
    texts = [text.strip() for text in texts]
    tokens = model.tokenizer(
        [instruction + text for instruction, text in zip(instructions, texts, strict=True)],
        padding=True,
        return_tensors="pt",
    )
    hidden = model.transformers_model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].clone()
    for row, instruction in enumerate(instructions):
        mask[row, : len(model.tokenizer(instruction)["input_ids"]) - 1] = 0
    mean = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
    return torch.nn.functional.normalize(model[2]({"sentence_embedding": mean})["sentence_embedding"], dim=1)


def _unigram(rng: random.Random) -> Any:
    """A tokenizer of T5's kind, learned from the texts of the demo; every letter is in it."""
    import string

    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    def corpus() -> Iterator[str]:
        for drawing in lessons.some(rng, 1500):
            yield lessons.document(rng, drawing)[0]
            yield lessons.question(rng, drawing)[0]
        for label in lessons.LABELS:
            yield passage.instruction([label])

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        corpus(),
        trainers.UnigramTrainer(
            vocab_size=500,
            special_tokens=list(_SPECIAL.values()),
            unk_token=_SPECIAL["unk_token"],
            initial_alphabet=list(string.ascii_letters + string.digits + string.punctuation),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **_SPECIAL)
