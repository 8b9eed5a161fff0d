"""Caption images with any image-text-to-text model of transformers, through its public interface.

A Florence-2 model reads one of its tasks; a chat model reads a prompt in its own chat template. The best caption of each
prompt is found by a beam search; further ones are sampled (`nucleus`), all of them in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from imgret.errors import WeightsError
from imgret.models import torch_device
from imgret.models.model_protocols import Pixels
from imgret.models.nucleus import NucleusChoice
from imgret.photo import ModelIdentity

PROMPT = (
    "Describe this photo in one sentence: who or what is in it, what they look like, what they do, and where."
)
TASK = "<DETAILED_CAPTION>"
_LONGEST_PROMPT = 20_000  # characters of a prompt in its chat template


class GeneratedCaptioner:
    """A `Captioner`. Subclasses prompt their kind of model."""

    default: str  # the prompt, if the settings name none

    def __init__(
        self,
        path: str,
        identity: ModelIdentity,
        device: str,
        *,
        prompts: Sequence[str] = (),
        captions: int = 1,
        beams: int = 3,
        max_tokens: int = 60,
        dtype: str = "auto",
    ) -> None:
        """Load the folder at `path`. Raises WeightsError."""
        self._path = path
        self._identity = identity
        self._device = device
        self._samples = captions - 1
        self._beams, self._max_tokens = beams, max_tokens
        with torch_device.loading(path):
            self._processor = self._load_processor()
            self._tokenizer: Any = self._processor.tokenizer
            self._tokenizer.padding_side = "left"  # a decoder continues where its prompt ends
            if self._tokenizer.pad_token is None:
                self._tokenizer.pad_token = self._tokenizer.eos_token
            self._prompts = [self._prepared(prompt) for prompt in prompts or (self.default,)]
            self._finished(self._prompts[0], "")  # fails here if the processor cannot do it
            self._model = AutoModelForImageTextToText.from_pretrained(
                path, dtype=torch_device.dtype(dtype, device), local_files_only=True, trust_remote_code=False
            )
            self._model.eval().to(device)

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision, and the settings of the search."""
        return self._identity

    def captions(self, images: Sequence[Pixels]) -> list[list[str]]:
        """Return the sentences of each image (height, width, 3), in order: for each prompt the best one, then samples."""
        if not images:
            return []
        found: list[list[str]] = [[] for _ in images]
        pil_images = [Image.fromarray(image) for image in images]
        for prompt in self._prompts:
            for captions, more in zip(found, self._of_prompt(prompt, pil_images), strict=True):
                captions += more
        torch_device.release_openmp_threads()
        return found

    def close(self) -> None:
        """Release the memory."""
        del self._model, self._processor, self._tokenizer
        torch_device.release_memory(self._device)

    def _prepared(self, prompt: str) -> str:
        """Return the text that the processor reads for a prompt. Raises WeightsError if the model cannot have it."""
        raise NotImplementedError

    def _finished(self, prompt: str, text: str) -> str:  # noqa: ARG002 - some models need the prompt
        """Return the caption in a generated text."""
        return text.strip()

    def _load_processor(self) -> Any:
        try:
            processor = AutoProcessor.from_pretrained(
                self._path, local_files_only=True, trust_remote_code=False
            )
        except ImportError:
            raise
        except Exception as error:  # OSError, ValueError, TypeError, ..., by what is missing
            raise WeightsError(
                f"{self._path} has no processor that transformers can load: {str(error).splitlines()[0][:300]}",
                "Download these weights again, or choose others.",
            ) from error
        if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
            raise WeightsError(
                f"{self._path} has no processor of images (preprocessor_config.json)",
                "Download these weights again, or choose others.",
            )
        return processor

    @torch.inference_mode()
    def _of_prompt(self, prompt: str, pil_images: Sequence[Image.Image]) -> list[list[str]]:
        """Return the captions of each picture for one prompt."""
        inputs = self._processor(
            images=[[pil_image] for pil_image in pil_images],
            text=[prompt] * len(pil_images),
            padding=True,
            return_tensors="pt",
        ).to(self._device, dtype=self._model.dtype)
        best = self._texts(inputs, num_beams=self._beams, do_sample=False)
        found = [[self._finished(prompt, text)] for text in best]
        if self._samples:
            sampled = self._texts(
                inputs,
                num_beams=1,
                do_sample=True,  # each step leaves one token to choose
                num_return_sequences=self._samples,
                logits_processor=[NucleusChoice(range(self._samples))],
            )
            for row, text in enumerate(sampled):
                found[row // self._samples].append(self._finished(prompt, text))
        return found

    def _texts(self, inputs: Any, **search: Any) -> list[str]:
        rows = self._model.generate(
            **inputs, max_new_tokens=self._max_tokens, pad_token_id=self._tokenizer.pad_token_id, **search
        )
        if not self._model.config.is_encoder_decoder:
            rows = rows[:, inputs["input_ids"].shape[1] :]
        texts: list[str] = self._tokenizer.batch_decode(rows, skip_special_tokens=True)
        return texts


class ChatCaptioner(GeneratedCaptioner):
    """A chat model that reads images, such as SmolVLM 2 or Qwen3-VL."""

    default = PROMPT

    def _prepared(self, prompt: str) -> str:
        if not self._processor.chat_template:
            raise WeightsError(
                f"{self._path} has no chat template, so imgret cannot prompt it",
                "Choose a chat model (often called Instruct), BLIP or Florence-2.",
            )
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}
        # transformers renders templates in a sandbox.
        text: str = self._processor.apply_chat_template([message], add_generation_prompt=True, tokenize=False)
        if len(text) > _LONGEST_PROMPT:
            raise WeightsError(
                f"the chat template of {self._path} makes {len(text)} characters of a prompt of {len(prompt)}",
                "Choose other weights.",
            )
        return text


class FlorenceCaptioner(GeneratedCaptioner):
    """A Florence-2 model. Its prompts are its tasks."""

    default = TASK

    def _prepared(self, prompt: str) -> str:
        kinds = self._processor.tasks_answer_post_processing_type
        tasks = [task for task in self._processor.task_prompts_without_inputs if kinds[task] == "pure_text"]
        if prompt not in tasks:
            raise WeightsError(
                f"{prompt!r} is not a task for which {self._path} writes a caption",
                f"As `prompts`, choose from {', '.join(tasks)}.",
            )
        return prompt

    def _finished(self, prompt: str, text: str) -> str:
        caption: str = self._processor.post_process_generation(text=text, task=prompt)[prompt]
        return caption
