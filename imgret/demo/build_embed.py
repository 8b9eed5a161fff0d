"""Train the demo's embedder: an INSTRUCTOR in the layout of the real one, trained to match queries and passages."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from typing import Any

from imgret.demo import training_data
from imgret.stages import passage

_SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}  # in the order of T5
_DIMENSION = 768  # the dimension of the real model


def embed(out: str, steps: int = 700, width: int = 64) -> float:
    """Train the embedder (T5 encoder, mean, Dense to 768, Normalize), save it to the folder `out`, return the loss.

    With any instruction, the vector of a query is trained to be closer to matching passages than to others.
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
        drawings = training_data.some(rng, 32)
        queries = [training_data.query(rng, drawing) for drawing in drawings]
        documents = [training_data.document(rng, drawing) for drawing in drawings]
        cosines = (
            _vectors(model, rng, [text for text, _ in queries])
            @ _vectors(model, rng, [text for text, _ in documents]).T
        )
        loss = _contrastive_loss(
            cosines, [meant for _, meant in queries], [stated for _, stated in documents]
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    model.save(out, create_model_card=False)
    return loss.item()


def _contrastive_loss(
    cosines: Any, queries: list[training_data.Attributes], documents: list[training_data.Attributes]
) -> Any:
    """Return the mean over the queries of -log(softmax share of the matching documents). `cosines`: (queries, documents).

    A document that states a different value is a negative. One that does not state an attribute of the query is ignored.
    """
    import torch

    matching = torch.tensor([[all(d.get(k) == v for k, v in q.items()) for d in documents] for q in queries])
    negative = torch.tensor(
        [[any(k in d and d[k] != v for k, v in q.items()) for d in documents] for q in queries]
    )
    scaled = cosines / 0.07
    every = scaled.masked_fill(~(matching | negative), -1e4).logsumexp(1)
    positive = scaled.masked_fill(~matching, -1e4).logsumexp(1)
    return (every - positive)[matching.any(1)].mean()


def _vectors(model: Any, rng: random.Random, texts: list[str]) -> Any:
    """Return vectors (texts, 768). Each text has a random instruction, which is attended to but not in the mean."""
    import torch

    instructions = [passage.instruction(rng.sample(training_data.LABELS, rng.randint(0, 2))) for _ in texts]
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
    """Train a Unigram tokenizer, as T5 has, on the texts of the demo. Its vocabulary has every ASCII character."""
    import string

    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    def corpus() -> Iterator[str]:
        for drawing in training_data.some(rng, 1500):
            yield training_data.document(rng, drawing)[0]
            yield training_data.query(rng, drawing)[0]
        for label in training_data.LABELS:
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
