"""Assign topics to sentences with a RoBERTa classifier that has a sigmoid for each label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from imgret.models import torch_device
from imgret.models.torch_linear import pack
from imgret.photo import ModelIdentity


class RobertaTopics:
    """A `TopicClassifier`: any multi-label sequence classifier in the layout of the hub."""

    def __init__(self, path: str, identity: ModelIdentity, device: str, *, threshold: float = 0.2) -> None:
        """Load the folder at `path`. Raises WeightsError."""
        self._identity = identity
        self._threshold = threshold
        self._device = device
        with torch_device.loading(path):
            self._tokenizer = AutoTokenizer.from_pretrained(
                path, local_files_only=True, trust_remote_code=False
            )
            # float32 on every device: a label near the threshold must not depend on the machine.
            self._model = AutoModelForSequenceClassification.from_pretrained(
                path, dtype=torch.float32, local_files_only=True, trust_remote_code=False
            )
            self._model.eval().to(device)
            if device == "cpu":
                pack(self._model)
        config = self._model.config
        self._labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        # RoBERTa's positions begin after the padding token's, so the table has two more than can be used.
        self._longest = min(self._tokenizer.model_max_length, config.max_position_embeddings - 2)

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision and threshold."""
        return self._identity

    @torch.inference_mode()
    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the labels at or above the threshold for each text, in the model's spelling and order."""
        if not texts:
            return []
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._device)
        likely = (self._model(**tokens).logits.sigmoid() >= self._threshold).cpu()
        torch_device.release_openmp_threads()  # another thread may be describing photos meanwhile
        return [
            tuple(label for label, chosen in zip(self._labels, row, strict=True) if chosen) for row in likely
        ]

    def close(self) -> None:
        """Release the memory."""
        del self._model
        torch_device.release_memory(self._device)
