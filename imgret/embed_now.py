"""Embed at once what somebody just wrote, so that the next question finds it."""

from __future__ import annotations

from collections.abc import Collection

from imgret.models.interface import Embedder
from imgret.photo import Stage
from imgret.stages import passage
from imgret.store.interface import Store

AT_ONCE = 64  # contents


def embed_now(store: Store, embedder: Embedder, contents: Collection[int]) -> int:
    """Embed contents whose texts changed, where nothing else is to do for them first. -> how many are left.

    For a note that was just written. The caller is the one writer; what is left stays queued.
    """
    aside, pending = store.summary.waiting_stages(), list(contents)
    left = 0
    for start in range(0, len(pending), AT_ONCE):
        due = {}
        for content in pending[start : start + AT_ONCE]:
            todo = set(store.work.of(content))
            if todo - aside == {Stage.EMBED}:
                due[content] = store.results.description(content)
            left += Stage.EMBED in todo and content not in due
        texts = [
            (content, view, (passage.instruction(known.topics or ()), text))
            for content, known in due.items()
            for view, text in passage.views(known, store.results.names(content)).items()
        ]
        rows = list(embedder.embed([pair for _, _, pair in texts])) if texts else []
        with store.writing():
            for content, known in due.items():
                if store.results.note(content) != known.note:
                    left += 1  # written again meanwhile, and queued with that
                    continue
                made = {view: row for (of, view, _), row in zip(texts, rows, strict=True) if of == content}
                store.results.save_vectors(content, embedder.identity, made)
                store.work.done(content, [Stage.EMBED])
    return left
