"""The baseline loop of *image-retrieval*, as in its notebook: one photo at a time, in float32, with plain libraries."""

from __future__ import annotations

import time
from typing import Any

import torch
from msgspec import Struct
from PIL import Image

from imgret.config import Settings
from imgret.models import torch_device
from imgret.stages import passage, registry


class Description(Struct, frozen=True):
    """The loop's description of a photo."""

    caption: str
    counts: dict[str, int]
    topics: tuple[str, ...]
    vector: Any  # float32 (dimension,), of the passage


class BaselineLoop:
    """The four models, loaded by their own libraries on one device."""

    def __init__(self, settings: Settings, device: str) -> None:
        self._device = device
        self._max_tokens = settings.of("caption").max_tokens
        with torch_device.silence():
            from sentence_transformers import SentenceTransformer
            from transformers import (
                AutoModelForSequenceClassification,
                AutoTokenizer,
                BlipForConditionalGeneration,
                BlipProcessor,
            )
            from transformers.utils import logging
            from ultralytics import YOLO

            logging.disable_progress_bar()
            caption, topics = settings.of("caption").weights, settings.of("topics").weights
            self._processor = BlipProcessor.from_pretrained(caption, backend="pil")
            self._blip = BlipForConditionalGeneration.from_pretrained(caption).eval().to(device)
            self._yolo = YOLO(settings.of("detect").weights)
            self._tokenizer = AutoTokenizer.from_pretrained(topics)
            self._roberta = AutoModelForSequenceClassification.from_pretrained(topics).eval().to(device)
            # It computes the same as the package InstructorEmbedding, which current libraries cannot load.
            self._instructor = SentenceTransformer(
                settings.of("embed").weights, device=device, local_files_only=True
            )
            self._instructor.set_pooling_include_prompt(include_prompt=False)
        self.seconds = dict.fromkeys(("decode", *registry.own().names), 0.0)

    @torch.no_grad()
    def describe(self, path: bytes) -> Description:
        """Decode, caption, detect, classify and embed one photo."""
        self._began = time.perf_counter()
        image = Image.open(path).convert("RGB")
        self._lap("decode")
        inputs = self._processor(image, passage.PROMPT, return_tensors="pt").to(self._device)
        ids = self._blip.generate(**inputs, num_beams=3, max_new_tokens=self._max_tokens)
        caption = self._processor.decode(
            ids[0], skip_special_tokens=True, clean_up_tokenization_spaces=True
        ).strip()
        self._lap("caption")
        with torch_device.silence():
            boxes = self._yolo.predict(image, save=False, verbose=False, device=self._device)[0].boxes
        counts: dict[str, int] = {}
        for number in boxes.cls.tolist():
            label = self._yolo.names[int(number)].lower()
            counts[label] = counts.get(label, 0) + 1
        self._lap("detect")
        tokens = self._tokenizer(caption, return_tensors="pt").to(self._device)
        likely = self._roberta(**tokens).logits[0].sigmoid() >= 0.2
        names = self._roberta.config.id2label
        topics = tuple(names[number] for number, chosen in enumerate(likely.tolist()) if chosen)
        self._lap("topics")
        text = passage.passage(caption, counts).strip()
        vector = self._instructor.encode(
            text, prompt=passage.instruction(topics), normalize_embeddings=True, show_progress_bar=False
        )
        self._lap("embed")
        return Description(caption, counts, topics, vector)

    def _lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._began
        self._began = now
