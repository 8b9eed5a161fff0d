"""What the pipeline is given and gives back: a job for each photo, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec import field as struct_field

from imgret.errors import PhotoError
from imgret.photo import Facts
from imgret.stages.interface import Item, Result

if TYPE_CHECKING:
    from imgret.models.model_protocols import Pixels


class Job(Struct, frozen=True):
    """What is to be done for one content."""

    key: int  # the caller's own name for it, given back in the outcome
    path: bytes
    stages: frozenset[str]
    results: Mapping[str, Any] = {}  # stage -> payload, of the results that are there already
    note: str | None = None
    names: str = ""  # words of the file's and its folders' names, see `passage.views`
    content_hash: bytes | None = None  # BLAKE3 that the file's bytes must have; None: any


class Outcome(Struct, frozen=True):
    """The results of one job. A stage that is not in `results` was not queued, has no model, or is in `failures`."""

    key: int
    facts: Facts | None = None
    pixel_hash: bytes | None = None
    look: bytes | None = None  # `perceptual.signature`
    results: dict[str, Result] = struct_field(default_factory=dict)  # by stage
    failures: dict[str, PhotoError] = struct_field(default_factory=dict)  # by stage
    twin: bool = False  # another content has the same pixels and is described: no model was run


@dataclass
class Draft:
    """An outcome that is not finished."""

    job: Job
    facts: Facts | None = None
    pixel_hash: bytes | None = None
    look: bytes | None = None
    pixels: Pixels | None = None
    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, PhotoError] = field(default_factory=dict)

    def payloads(self) -> dict[str, Any]:
        """The results of the photo as they are now, by stage."""
        return {**self.job.results, **{stage: result.payload for stage, result in self.results.items()}}

    def item(self) -> Item:
        """The photo as a model gets it."""
        job = self.job
        return Item(self.pixels, self.payloads(), job.note, job.names, job.path)

    def outcome(self, *, twin: bool = False) -> Outcome:
        """The finished outcome; it does not hold the pixels."""
        return Outcome(
            key=self.job.key,
            facts=self.facts,
            pixel_hash=self.pixel_hash,
            look=self.look,
            results=self.results,
            failures=self.failures,
            twin=twin,
        )
