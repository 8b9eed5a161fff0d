"""Train the demo's topic classifier: a RoBERTa with the real 19 labels."""

from __future__ import annotations

import os
import random

from imgret.demo import training_data


def topics(out: str, steps: int = 1000) -> float:
    """Train the topic classifier, save it to the folder `out`, and return the final loss."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForSequenceClassification, RobertaTokenizer

    rng = random.Random(4)
    texts = sorted({drawing.caption for drawing in training_data.some(rng, 800)})
    texts += sorted({training_data.query(rng, drawing)[0] for drawing in training_data.some(rng, 1200)})
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
            id2label=dict(enumerate(training_data.LABELS)),
            label2id={label: number for number, label in enumerate(training_data.LABELS)},
        )
    )
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    truth = torch.zeros(len(texts), len(training_data.LABELS))
    for row, text in enumerate(texts):
        for word, label in training_data.TOPIC_OF.items():
            if word in text:
                truth[row, training_data.LABELS.index(label)] = 1
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
