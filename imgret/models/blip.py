"""Caption images with BLIP from transformers. Captions begin with a prompt, by default that of the baseline recipe."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from imgret.errors import WeightsError
from imgret.models import torch_device
from imgret.models.blip_beams import Search
from imgret.models.blip_search import searcher
from imgret.models.image_resize import MOST_THREADS, by_pillow
from imgret.models.model_protocols import Pixels
from imgret.models.torch_linear import pack
from imgret.photo import ModelIdentity


class BlipCaptioner:
    """A `Captioner`: any BLIP captioning model in the layout of the hub."""

    def __init__(
        self,
        path: str,
        identity: ModelIdentity,
        device: str,
        *,
        prompts: Sequence[str],
        captions: int = 1,
        beams: int = 3,
        max_tokens: int = 60,
        dtype: str = "auto",
    ) -> None:
        """Load the folder at `path`. For each prompt, `captions` begin with it. Raises WeightsError."""
        self._identity = identity
        self._device = device
        with torch_device.loading(path):
            # The model was trained on pixels of the PIL processor; torchvision's differ by 0.0007.
            self._processor = BlipProcessor.from_pretrained(
                path, backend="pil", local_files_only=True, trust_remote_code=False
            )
            self._model = BlipForConditionalGeneration.from_pretrained(
                path,
                dtype=torch_device.dtype(dtype, device),
                local_files_only=True,
                trust_remote_code=False,
            )
            self._model.eval().to(device)
            if device == "cpu":
                pack(self._model)
            self._levels = self._normalised_levels().to(device)
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="resize")
        self._resize = by_pillow(self._processor.image_processor, self._resized)
        # BLIP begins with a token of its own, and continues where the prompt's end token would be
        begin = self._model.config.text_config.bos_token_id
        beginnings = [[begin, *self._processor.tokenizer(prompt)["input_ids"][1:-1]] for prompt in prompts]
        positions, longest = self._model.config.text_config.max_position_embeddings, max(map(len, beginnings))
        if longest + max_tokens - 1 > positions:  # the last token is not read
            raise WeightsError(
                f"{path} has {positions} positions, too few for a prompt of {longest} tokens and a caption of {max_tokens}",
                "Reduce `max_tokens` or shorten the prompts under [caption].",
            )
        self._token_ids = searcher(
            self._model,
            beginnings,
            Search(beams=beams, max_tokens=max_tokens),
            captions - 1,
            replay=device.startswith("cuda"),
        )

    @property
    def identity(self) -> ModelIdentity:
        """Name, revision, beams, tokens and dtype."""
        return self._identity

    def captions(self, images: Sequence[Pixels]) -> list[list[str]]:
        """Return the sentences of each image (height, width, 3), in order. Each begins with its prompt."""
        return (
            [self._sentences(found) for found in self._token_ids(self._pixel_values(images))]
            if images
            else []
        )

    def close(self) -> None:
        """Release the memory."""
        self._threads.shutdown()
        del self._model, self._token_ids
        torch_device.release_memory(self._device)

    def _sentences(self, token_ids: list[list[int]]) -> list[str]:
        decoded: list[str] = self._processor.tokenizer.batch_decode(
            token_ids,
            skip_special_tokens=True,
            clean_up_tokenization_spaces=True,  # otherwise transformers 5 writes `dog ' s`
        )
        return [sentence.strip() for sentence in decoded]

    def _pixel_values(self, images: Sequence[Pixels]) -> torch.Tensor:
        """Return normalised pixels (images, 3, side, side) on the device, in the model's dtype."""
        small = torch.from_numpy(np.stack(list(self._threads.map(self._resize, images)))).to(self._device)
        colours = [levels[small[:, colour].int()] for colour, levels in enumerate(self._levels)]
        return torch.stack(colours, dim=1).to(self._model.dtype)

    def _resized(self, image: Pixels) -> Pixels:
        """Return the resized image (3, side, side)."""
        pil_image = Image.fromarray(image)
        return self._processed(pil_image, do_rescale=False, do_normalize=False)  # type: ignore[no-any-return]

    def _normalised_levels(self) -> torch.Tensor:
        """Return the processor's normalised value of each byte, (3, 256). Looking them up is faster and exact."""
        grey = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (1, 1, 3))
        levels = self._processed(Image.fromarray(grey), do_resize=False)
        return torch.from_numpy(levels[:, 0])

    def _processed(self, pil_image: Image.Image, **steps: bool) -> Any:
        return self._processor.image_processor(pil_image, return_tensors="np", **steps)["pixel_values"][0]
