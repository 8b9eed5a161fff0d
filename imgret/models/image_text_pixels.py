"""Images -> the input of an image tower, equal to what the checkpoint's own image processor makes of them.

The processor resizes (and crops, or letterboxes by patches) one image per thread. Scaling and normalising depend on
nothing but the byte of a sample, so they are looked up in a table of 256 values, which is exact and faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor

from imgret.models.image_resize import MOST_THREADS, Resize, by_pillow
from imgret.models.model_protocols import Pixels

# A crop keeps the middle of an image that was scaled by its short side. Beyond this aspect ratio the ends, of which the
# crop leaves nothing, are cut off first: one row of 20,000 pixels would be scaled to 4 gigapixels.
_MOST_ASPECT = 32


class ImageInputs:
    """The image processor of a checkpoint, with Pillow as its backend: models were trained on its pixels."""

    def __init__(self, path: str) -> None:
        """Load the processor in the folder `path`."""
        self._processor = AutoImageProcessor.from_pretrained(
            path, backend="pil", local_files_only=True, trust_remote_code=False
        )
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="resize")
        self._by_patches = hasattr(self._processor, "max_num_patches")  # SigLIP 2 NaFlex
        self._crops = bool(getattr(self._processor, "do_center_crop", False))
        self._levels = None if self._by_patches else self._normalised_levels()
        self._resize: Resize = self._resized
        if not self._by_patches and not self._crops:
            self._resize = by_pillow(self._processor, self._resized)

    def __call__(self, images: Sequence[Pixels], device: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Return the arguments of `get_image_features` for images (height, width, 3), on the device."""
        if self._levels is None:
            made = list(self._threads.map(self._patches, images))
            inputs = {key: torch.from_numpy(np.concatenate([one[key] for one in made])) for key in made[0]}
            return {key: self._placed(key, value, device, dtype) for key, value in inputs.items()}
        small = torch.from_numpy(np.stack(list(self._threads.map(self._resize, images)))).to(device)
        levels = self._levels.to(device)
        colours = [levels[colour][small[:, colour].int()] for colour in range(3)]
        return {"pixel_values": torch.stack(colours, dim=1).to(dtype)}

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _placed(self, key: str, value: torch.Tensor, device: str, dtype: torch.dtype) -> torch.Tensor:
        return value.to(device, dtype if key == "pixel_values" else None)

    def _resized(self, image: Pixels) -> Pixels:
        """Return the resized image (3, height, width)."""
        if self._crops:
            image = _middle(image)
        made = self._processor(_rgb(image), do_rescale=False, do_normalize=False, return_tensors="np")
        return made["pixel_values"][0]  # type: ignore[no-any-return]

    def _patches(self, image: Pixels) -> dict[str, Any]:
        return dict(self._processor(_rgb(image), return_tensors="np"))

    def _normalised_levels(self) -> torch.Tensor:
        """Return the normalised value of each byte, float32 (3, 256)."""
        grey = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (1, 1, 3))
        levels = self._processor(_rgb(grey), do_resize=False, do_center_crop=False, return_tensors="np")
        return torch.from_numpy(np.ascontiguousarray(levels["pixel_values"][0][:, 0], np.float32))


def _rgb(image: Pixels) -> Image.Image:
    # Of a bare array with 3 rows, the processor would take the rows for the colours.
    return Image.fromarray(image)


def _middle(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    most = _MOST_ASPECT * min(height, width)
    top, left = max(0, (height - most) // 2), max(0, (width - most) // 2)
    return np.ascontiguousarray(image[top : top + most, left : left + most])
