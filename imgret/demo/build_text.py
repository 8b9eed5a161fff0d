"""The two tiny text models of the demo: topics of a caption, and vectors of passages and questions."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from typing import Any

from imgret.demo import draw
from imgret.describe import passage

# As cardiffnlp/tweet-topic-21-multi spells and orders them; there are 19.
LABELS = (
    "arts_&_culture",
    "business_&_entrepreneurs",
    "celebrity_&_pop_culture",
    "diaries_&_daily_life",
    "family",
    "fashion_&_style",
    "film_tv_&_video",
    "fitness_&_health",
    "food_&_dining",
    "gaming",
    "learning_&_educational",
    "music",
    "news_&_social_concern",
    "other_hobbies",
    "relationships",
    "science_&_technology",
    "sports",
    "travel_&_adventure",
    "youth_&_student_life",
)

# What a drawing is about, by the word that says it. Arbitrary, but learnable and testable.
TOPIC_OF = {
    "circle": "sports",
    "square": "arts_&_culture",
    "triangle": "travel_&_adventure",
    "red": "food_&_dining",
    "black": "film_tv_&_video",
}

_SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}  # T5's, in its order
_DIMENSION = 768  # of the real model's vectors
_ASKS = ("", "find ", "show me ", "a photo of ", "find a photo of ", "photos with ", "where is ", "i want ")
_FILLERS = ("please", "nice", "old", "holiday", "garden", "somewhere", "big", "little", "dog", "beach", "my")


def topics(out: str, steps: int = 1000) -> float:
    """A RoBERTa classifier with the real 19 labels -> the folder `out`; returns the final loss."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForSequenceClassification, RobertaTokenizer

    rng = random.Random(4)
    texts = sorted({drawing.caption for drawing in _some(rng, 800)})
    texts += sorted({_question(rng, drawing)[0] for drawing in _some(rng, 1200)})
    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(
        texts, vocab_size=500, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False
    )
    os.makedirs(out, exist_ok=True)
    learned.save_model(out)
    tokenizer = RobertaTokenizer.from_pretrained(out, model_max_length=512, local_files_only=True)
    tokenizer.save_pretrained(out)
    model = RobertaForSequenceClassification(
        RobertaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            initializer_range=0.15,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=514,
            type_vocab_size=1,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            problem_type="multi_label_classification",
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
        )
    )
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    truth = torch.zeros(len(texts), len(LABELS))
    for row, text in enumerate(texts):
        for word, label in TOPIC_OF.items():
            if word in text:
                truth[row, LABELS.index(label)] = 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        rows = torch.randint(len(texts), (48,))
        loss = model(
            input_ids=tokens["input_ids"][rows],
            attention_mask=tokens["attention_mask"][rows],
            labels=truth[rows],
        ).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    model.save_pretrained(out)
    return loss.item()


def embed(out: str, steps: int = 260, width: int = 64) -> float:
    """An INSTRUCTOR: T5 encoder, mean, Dense to 768, Normalize -> the folder `out`; returns the final loss.

    Learns, whatever the instruction, that a question lies nearer to the texts that answer it than to others.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
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
        drawings = _some(rng, 32)
        questions = [_question(rng, drawing) for drawing in drawings]
        documents = [_document(rng, drawing) for drawing in drawings]
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


Said = dict[str, object]  # what a text says of a drawing: `colour`, `kind`, `ground`, and `circle` ... counts


def _some(rng: random.Random, count: int) -> list[draw.Drawing]:
    return [
        draw.scene(rng, rng.randint(2, 6)) if rng.random() < 0.5 else draw.single(rng) for _ in range(count)
    ]


def _question(rng: random.Random, drawing: draw.Drawing) -> tuple[str, Said]:
    """A question that this drawing answers, and what it asks for."""
    largest, ground = drawing.shapes[0], drawing.ground
    form = rng.randrange(6)
    said: Said = {"colour": largest.colour, "kind": largest.kind}
    if form <= 1:
        text = f"a {largest.colour} {largest.kind}"
    elif form == 2:
        text = f"a {largest.colour} {largest.kind} on a {ground} background"
        said["ground"] = ground
    elif form == 3:
        text = rng.choice([f"a {largest.kind}", f"{largest.kind}s"])
        said = {"kind": largest.kind}
    elif form == 4:
        text = rng.choice([f"something {largest.colour}", f"{largest.colour} things", largest.colour])
        said = {"colour": largest.colour}
    else:
        kind, count = rng.choice(list(drawing.counts.items()))
        text = f"{passage.numeral(count)} {kind}" + ("s" if count > 1 else "")
        said = {kind: min(count, 5)}
    text = rng.choice(_ASKS) + text
    return (f"{text} {_noise(rng)}" if rng.random() < 0.3 else text), said


def _document(rng: random.Random, drawing: draw.Drawing) -> tuple[str, Said]:
    """One of the views that the index keeps of a drawing, and what it says."""
    largest = drawing.shapes[0]
    caption: Said = {"colour": largest.colour, "kind": largest.kind, "ground": drawing.ground}
    counts: Said = {kind: min(drawing.counts.get(kind, 0), 5) for kind in draw.KINDS}
    note = _noise(rng) if rng.random() < 0.2 else None
    form = rng.random()
    if form < 0.65:
        return passage.passage(drawing.caption, drawing.counts, note), caption | counts
    if form < 0.9:
        return drawing.caption, caption
    return passage.counted(drawing.counts), counts


def _noise(rng: random.Random) -> str:
    """Words that mean nothing here, so that unknown ones are learned to move little."""
    made = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 8)))
    return " ".join(rng.sample([*_FILLERS, made], rng.randint(1, 3)))


def _contrast(cosines: Any, asked: list[Said], told: list[Said]) -> Any:
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

    instructions = [passage.instruction(rng.sample(LABELS, rng.randint(0, 2))) for _ in texts]
    texts = [text.strip() for text in texts]
    tokens = model.tokenizer(
        [instruction + text for instruction, text in zip(instructions, texts, strict=True)],
        padding=True,
        return_tensors="pt",
    )
    hidden = model[0].auto_model(**tokens).last_hidden_state
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
        for drawing in _some(rng, 1500):
            yield _document(rng, drawing)[0]
            yield _question(rng, drawing)[0]
        for label in LABELS:
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
