"""One batch of photos through the four models, in the order in which the stages follow from each other.

What a photo was asked for is done; a stage without a model is left undone, which is no failure. Text
stages take the caption and the detections just made, else those that already stand (`Job.known`):

- topics follow the caption alone. Without one they are left undone, for it may still come; with an empty
  one, and where captions are not wanted at all, there are none.
- vectors follow from whatever is known, so that a photo can be found by its note or its name even when its
  caption failed. Whoever saves them queues them again when a caption, topics or objects come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from msgspec import Struct
from msgspec import field as struct_field
from numpy.typing import NDArray

from imgret.errors import PhotoError
from imgret.models.batching import BatchSize, in_batches
from imgret.models.interface import Models, Pixels
from imgret.photo import Description, Detection, Facts, Stage, View
from imgret.stages import passage

Item = TypeVar("Item")
Result = TypeVar("Result")

PIXEL_STAGES = frozenset({Stage.CAPTION, Stage.DETECT})
TEXTS_PER_PHOTO = 4  # the views of a photo: text batches hold that many times more items than image batches


class Job(Struct, frozen=True):
    """What is to be done for one content."""

    key: int  # the caller's own name for it, given back in the outcome
    path: bytes
    stages: frozenset[Stage]
    known: Description = Description()  # results that already stand, and the note
    names: str = ""  # words of the file's and its folders' names, see `passage.views`
    content_hash: bytes | None = None  # BLAKE3 that the file's bytes must have; None: any


class Outcome(Struct, frozen=True):
    """What came of one job. `None` means *not made this time*: not asked for, no model, or in `failures`."""

    key: int
    facts: Facts | None = None
    pixel_hash: bytes | None = None
    look: bytes | None = None  # `perceptual.signature`
    caption: str | None = None
    detections: tuple[Detection, ...] | None = None
    topics: tuple[str, ...] | None = None
    vectors: dict[View, NDArray[np.float32]] | None = None  # unit norm; empty when there was nothing to say
    failures: dict[Stage, PhotoError] = struct_field(default_factory=dict)
    twin: bool = False  # another content has the same pixels and is described: no model was run


@dataclass
class Draft:
    """An outcome in the making."""

    job: Job
    facts: Facts | None = None
    pixel_hash: bytes | None = None
    look: bytes | None = None
    pixels: Pixels | None = None
    caption: str | None = None
    detections: tuple[Detection, ...] | None = None
    topics: tuple[str, ...] | None = None
    vectors: dict[View, NDArray[np.float32]] | None = None
    failures: dict[Stage, PhotoError] = field(default_factory=dict)

    def description(self) -> Description:
        """What is known of the photo now."""
        known = self.job.known
        return Description(
            caption=known.caption if self.caption is None else self.caption,
            detections=known.detections if self.detections is None else self.detections,
            topics=known.topics if self.topics is None else self.topics,
            note=known.note,
        )

    def outcome(self, *, twin: bool = False) -> Outcome:
        """The finished outcome; it does not hold the pixels."""
        return Outcome(
            key=self.job.key,
            facts=self.facts,
            pixel_hash=self.pixel_hash,
            look=self.look,
            caption=self.caption,
            detections=self.detections,
            topics=self.topics,
            vectors=self.vectors,
            failures=self.failures,
            twin=twin,
        )


class Describer:
    """The models of one device, the batch size each of them has found, and the seconds each has taken."""

    def __init__(self, models: Models, size: BatchSize, release: Callable[[], None] = lambda: None) -> None:
        """`size` is in photos; `release` gives cached memory back to the device after it ran out."""
        texts = BatchSize(size.size * TEXTS_PER_PHOTO, size.limit * TEXTS_PER_PHOTO)
        self._models = models
        self._release = release
        self._sizes = {Stage.CAPTION: size, Stage.DETECT: size, Stage.TOPICS: texts, Stage.EMBED: texts}
        self.seconds = dict.fromkeys(self._sizes, 0.0)

    @property
    def photos(self) -> int:
        """How many photos to bring at once: what the slowest model that looks at pixels takes."""
        if self._models.caption is not None:
            return self._sizes[Stage.CAPTION].size
        return self._sizes[Stage.DETECT].size

    def describe(self, drafts: Sequence[Draft], stopped: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Exactly one outcome per draft, in order. When `stopped`, the stages not begun are left undone."""
        for stage in (self._captions, self._detections, self._topics, self._vectors):
            if stopped():
                break
            stage(drafts)
        return [draft.outcome() for draft in drafts]

    def _results(
        self,
        stage: Stage,
        asked: Sequence[tuple[Draft, Item]],
        call: Callable[[Sequence[Item]], Sequence[Result]],
    ) -> Iterator[tuple[Draft, Result]]:
        """The model's results beside their drafts; a failure goes into its draft instead."""
        if not asked:
            return
        began = time.perf_counter()
        results, self._sizes[stage] = in_batches(
            [item for _, item in asked], call, self._sizes[stage], self._release
        )
        self.seconds[stage] += time.perf_counter() - began
        for (draft, _), result in zip(asked, results, strict=True):
            if isinstance(result, PhotoError):
                draft.failures[stage] = result
            else:
                yield draft, result

    def _captions(self, drafts: Sequence[Draft]) -> None:
        if (model := self._models.caption) is not None:
            for draft, caption in self._results(
                Stage.CAPTION, _with_pixels(drafts, Stage.CAPTION), model.caption
            ):
                draft.caption = caption

    def _detections(self, drafts: Sequence[Draft]) -> None:
        if (model := self._models.detect) is not None:
            for draft, found in self._results(Stage.DETECT, _with_pixels(drafts, Stage.DETECT), model.detect):
                draft.detections = found
        for draft in drafts:
            draft.pixels = None  # the text stages take their time, and pictures are large

    def _topics(self, drafts: Sequence[Draft]) -> None:
        if (model := self._models.topics) is None:
            return
        asked: list[tuple[Draft, str]] = []
        for draft in drafts:
            if Stage.TOPICS in draft.job.stages:
                caption = draft.description().caption
                if caption:
                    asked.append((draft, caption))
                elif caption == "" or Stage.CAPTION in self._models.disabled:
                    draft.topics = ()
        for draft, topics in self._results(Stage.TOPICS, asked, model.topics):
            draft.topics = topics

    def _vectors(self, drafts: Sequence[Draft]) -> None:
        if (model := self._models.embed) is None:
            return
        asked: list[tuple[Draft, tuple[View, str, str]]] = []
        for draft in drafts:
            if Stage.EMBED in draft.job.stages:
                draft.vectors = {}
                description = draft.description()
                instruction = passage.instruction(description.topics or ())
                for view, text in passage.views(description, draft.job.names).items():
                    asked.append((draft, (view, instruction, text)))

        def embed(texts: Sequence[tuple[View, str, str]]) -> list[tuple[View, NDArray[np.float32]]]:
            vectors = model.embed([(instruction, text) for _, instruction, text in texts])
            lengths = np.linalg.norm(vectors, axis=1)
            if not np.all(np.isfinite(lengths) & (lengths > 0)):
                # NaNs and zeros would hide the true neighbours of every search
                raise PhotoError("the embedder gave a vector without a direction", transient=True)
            return [(view, vector) for (view, _, _), vector in zip(texts, vectors, strict=True)]

        for draft, (view, vector) in self._results(Stage.EMBED, asked, embed):
            if draft.vectors is not None:
                draft.vectors[view] = vector
        for draft, _ in asked:
            if Stage.EMBED in draft.failures:
                draft.vectors = None


def _with_pixels(drafts: Sequence[Draft], stage: Stage) -> list[tuple[Draft, Pixels]]:
    return [(d, d.pixels) for d in drafts if stage in d.job.stages and d.pixels is not None]
