"""The input and output of the pipeline: a job for each photo, and its outcome."""

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
    """The stages to run for one content."""

    key: int  # the caller's identifier, repeated in the outcome
    path: bytes
    stages: frozenset[str]
    results: Mapping[str, Any] = {}  # stage -> payload, of the stored results
    note: str | None = None
    names: str = ""  # words from the names of the file and its folders, see `passage.views`
    facts: Facts | None = None  # the stored ones
    content_hash: bytes | None = None  # BLAKE3 that the file's bytes must have; None: any
    sidecars: tuple[bytes, ...] = ()  # paths of the files that describe it
    precedence: int = 0  # the models take jobs with a greater one first


class Outcome(Struct, frozen=True):
    """The result of one job. A stage that is missing in `results` was not in the job, was skipped, or is in `failures`."""

    key: int
    facts: Facts | None = None
    pixel_hash: bytes | None = None
    signature: bytes | None = None  # `perceptual.look`
    results: dict[str, Result] = struct_field(default_factory=dict)  # by stage
    failures: dict[str, PhotoError] = struct_field(default_factory=dict)  # by stage
    twin: bool = False  # another content with the same pixels is described already: no model was run


@dataclass
class Draft:
    """An unfinished outcome."""

    job: Job
    facts: Facts | None = None
    pixel_hash: bytes | None = None
    signature: bytes | None = None
    pixels: Pixels | None = None
    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, PhotoError] = field(default_factory=dict)
    precedence: int = field(init=False)  # that of its job, or of one that waits for it

    def __post_init__(self) -> None:
        self.precedence = self.job.precedence

    def payloads(self) -> dict[str, Any]:
        """Return the current payloads of the photo by stage: stored ones, replaced by new ones."""
        return {**self.job.results, **{stage: result.payload for stage, result in self.results.items()}}

    def item(self) -> Item:
        """Return the input for a model."""
        job, facts = self.job, self.facts or self.job.facts
        return Item(
            self.pixels, self.payloads(), job.note, job.names, job.path, facts.position if facts else None
        )

    def outcome(self, *, twin: bool = False) -> Outcome:
        """Return the finished outcome, without the pixels."""
        return Outcome(
            key=self.job.key,
            facts=self.facts,
            pixel_hash=self.pixel_hash,
            signature=self.signature,
            results=self.results,
            failures=self.failures,
            twin=twin,
        )
