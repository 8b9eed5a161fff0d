"""What is known of each content: results and notes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.photo import ModelIdentity, Tag
    from imgret.store.records import (
        LostNote,
        PreviousContent,
        SpaceTraits,
    )


class Results(Protocol):
    """What the stages made of each content, and the notes."""

    def save(
        self,
        content: int,
        stage: str,
        identity: ModelIdentity,
        payload: object,
        *,
        texts: Mapping[str, str] | None = None,
        tags: Collection[Tag] = (),
        vectors: Mapping[str, NDArray[np.float32]] | None = None,
        space: SpaceTraits | None = None,
    ) -> None:
        """Save what a stage found in a content, in place of what it found before.

        `payload` is kept as JSON. `texts` are the words of the stage's columns, which
        `TextColumns.set` has made; `tags` have each (kind, label) once. `vectors` are by view, each
        (dimension,) of unit norm, and go with `space`; None: the stage makes no vectors.
        Raises ValueError for a vector that cannot be searched, and for an unknown column.
        """
        ...

    def payloads(self, content: int) -> dict[str, str]:
        """What each stage found in a content: stage -> JSON."""
        ...

    def copy(self, source: int, target: int) -> set[str]:
        """Copy all results of models from `source` to `target`: both have the same pixels. Notes stay where they are.

        -> the stages that `target` has now; without those that read the note when their notes differ.
        """
        ...

    def twin(self, content: int, pixels: bytes, stages: Collection[str]) -> int | None:
        """Another content with the same upright pixels for which none of `stages` is still to do, or None."""
        ...

    def pixels(self, content: int) -> bytes | None:
        """The BLAKE3 of a content's upright pixels; None before it was decoded."""
        ...

    def identities(self, content: int) -> dict[str, ModelIdentity]:
        """Which model made each result of a content."""
        ...

    def note(self, content: int) -> str | None:
        """The user's own words about a content."""
        ...

    def noted_at(self, content: int) -> int | None:
        """When the note of a content was written; None without one."""
        ...

    def imported_tags(self, content: int) -> list[Tag]:
        """The tags that the user imported for a content, by kind and label."""
        ...

    def import_tags(self, content: int, add: Collection[Tag], drop: Collection[Tag] = ()) -> bool:
        """Add and drop the user's own tags of a content; whether that changed anything. They stay when stages run again.

        A label that differs from one that is there in its case only is the same. Edits of the photo get the tags, too.
        """
        ...

    def write_note(self, content: int, text: str | None, at: int | None = None) -> list[int]:
        """Save the user's note on a content; None or an empty text deletes it.

        `at` is when they were written; None: now.

        Later edits of the photo get the same note. -> the contents that changed.
        They are found as words at once; the vectors that follow from them are queued by `work.queue`.
        """
        ...

    def refresh_words(self, content: int) -> None:
        """Bring the words of a content up to date: labels, note, and the names of all its paths."""
        ...

    def rebuild_words(
        self, texts: Callable[[str, str], Mapping[str, str]], stages: Collection[str] | None = None
    ) -> None:
        """Rebuild the words index and its documents from the results of these stages (None: all), the notes and the names.

        `texts` has the words of a result: (stage, its payload as JSON) -> column -> text. In short transactions, but for
        the index itself in a file: 27 s for a million documents.
        """
        ...

    def fill_columns(
        self, texts: Callable[[str, str], Mapping[str, str]], stages: Collection[str], after: int
    ) -> int | None:
        """Fill the columns of these stages in the next documents behind a content. -> the last content; None at the end."""
        ...

    def names(self, content: int) -> str:
        """The words of the file and folder names of a content, each once; of a hundred paths at most."""
        ...


class Notes(Protocol):
    """Which content is an edit of which, so that a note goes along."""

    def requeue_edits(self, content: int | None = None) -> None:
        """A content (None: any) may have no photo any more: what took its place is compared with it again."""
        ...

    def candidates(self, content: int) -> list[PreviousContent]:
        """What `content`, just decoded for the first time, may be an edit of."""
        ...

    def settle(self, content: int, before: int | None) -> bool:
        """`content` is an edit of `before`, or of nothing that is known; it gets the imported tags. -> whether it was given a note."""
        ...

    def later_edits(self, content: int) -> list[int]:
        """The edits of a content that no longer exists, and the edits of those."""
        ...

    def vanished(self, since: int, most: int) -> list[int]:
        """At most `most` contents with a note, no photo any more, and a photo that was deleted at `since` or later."""
        ...

    def may_belong(self, content: int, other: int) -> None:
        """The note of a vanished content may be meant for the photo `other`: it is a lost note at a path of that."""
        ...

    def lost_notes(self, at: bytes | None = None) -> list[LostNote]:
        """Notes that were not copied to an edit, by path: another picture, without a note, is at their path.

        Only those of the path `at`, if given.
        """
        ...

    def forget_lost(self, path: bytes) -> int:
        """Lost notes at a path are reported no more; each stays with its content. -> how many there were."""
        ...
