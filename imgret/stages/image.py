"""The image itself, embedded in one space with texts by a CLIP, SigLIP or SigLIP 2 model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from imgret.stages.interface import PIXELS, Item, Result, Stage, StageModel, StageSettings

if TYPE_CHECKING:
    from imgret.models.model_protocols import ImageTextModel
    from imgret.places import Places
    from imgret.stages.interface import Vectors
    from imgret.weights.sources import Weights

VIEW = "image"
AUTO = "auto"
ON_GPU, ON_CPU = "google/siglip2-base-patch16-256", "google/siglip2-base-patch32-256"  # a quarter of the work


class ImageSettings(StageSettings, frozen=True):
    """`[image]`: a CLIP, SigLIP or SigLIP 2 model in the layout of the Hugging Face hub."""

    weights: str = AUTO  # auto: siglip2-base-patch16-256 of google on a GPU, patch32-256 on a CPU
    dtype: str = "auto"  # bfloat16 on a GPU and on a CPU with instructions for it, else float32


class ImageModel(StageModel):
    """Adapts an image-text encoder to the interface of a stage model."""

    def __init__(self, encoder: ImageTextModel) -> None:
        self.encoder = encoder
        self.identity = encoder.identity
        self.dimension = encoder.dimension

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return the vector of each image."""
        rows = self.encoder.embed_images([item.pixels for item in items if item.pixels is not None])
        return [Result((VIEW,), {VIEW: row}) for row in rows]

    def encode_query(self, texts: Sequence[str], results: Sequence[Mapping[str, Any]]) -> Vectors:
        """Embed the texts of a search with the text tower, which is loaded by the first one."""
        return self.encoder.embed_texts(texts)

    def close(self) -> None:
        """Release the memory."""
        self.encoder.close()


class Image(Stage):
    """The image stage. Its payload is the name of its view."""

    name = "image"
    inputs = (PIXELS,)
    tier = 1
    settings = ImageSettings
    demo = "image"
    payload = tuple[str, ...]
    noun = "image vectors"
    lack = "searches see no images, only their captions"
    views = (VIEW,)

    def resolved(self, settings: ImageSettings, places: Places, device: str) -> ImageSettings:
        """Replace `auto`: by the model that `models pull` downloaded; without one, by the model for the device.

        So a library keeps its model when the GPU is away for a while. Of two downloaded models, the larger one is used.
        """
        if settings.weights != AUTO:
            return settings
        from imgret.models import torch_device
        from imgret.weights import record

        pulled = record.read(os.path.join(places.state, record.PULLED))
        known = [name for name in (ON_GPU, ON_CPU) if name in pulled]
        suited = [ON_GPU, ON_CPU] if torch_device.is_gpu_likely(device) else [ON_CPU, ON_GPU]
        candidates = [replace(settings, weights=name) for name in known or suited]
        # Another program may have downloaded one to the hub's cache.
        present = [each for each in candidates if Stage.locate(self, each, places).present]
        return (present or candidates)[0]

    def locate(self, settings: ImageSettings, places: Places) -> Weights:
        """Locate the weights; those of `auto` for this machine's device."""
        return super().locate(self.resolved(settings, places, AUTO), places)

    def packages(self, settings: ImageSettings, path: str | None) -> Mapping[str, str]:
        """Return torch and transformers."""
        return dict.fromkeys(("torch", "transformers"), "imgret[image]")

    def load(self, settings: ImageSettings, places: Places, device: str) -> ImageModel:
        """Load the image tower."""
        model = self._model(settings, places, device)
        model.encoder.load_images()
        return model

    def load_for_queries(self, settings: ImageSettings, places: Places, device: str) -> ImageModel:
        """Load the text tower."""
        model = self._model(settings, places, device)
        model.encoder.load_texts()
        return model

    def _model(self, settings: ImageSettings, places: Places, device: str) -> ImageModel:
        from imgret.models import torch_device

        path, identity = self.checked(settings, places)
        device = torch_device.ready(places, device)
        from imgret.models.image_text import ImageTextEncoder

        return ImageModel(ImageTextEncoder(path, identity, device, dtype=settings.dtype))

    def json(self, payload: tuple[str, ...] | None) -> dict[str, Any]:
        """Return nothing: vectors are not readable."""
        return {}


STAGE = Image()
