"""Compute the vectors of new notes immediately, so that the next search finds them."""

from __future__ import annotations

from collections.abc import Collection

from imgret import stage_results
from imgret.stages.interface import Item, Result, StageModel
from imgret.store.interface import Store

EMBED = "embed"  # the stage
AT_ONCE = 64  # contents


def embed_now(store: Store, model: StageModel, contents: Collection[int]) -> int:
    """Embed contents whose note was just changed, if no other stage is due for them. Return how many are left.

    `model` is the model of the stage `embed`. The caller holds the writer lock. What is left stays queued.
    """
    waiting, pending = store.summary.waiting_stages(), list(contents)
    left = 0
    for start in range(0, len(pending), AT_ONCE):
        due: dict[int, Item] = {}
        for content in pending[start : start + AT_ONCE]:
            todo = set(store.work.of(content))
            if todo - waiting == {EMBED}:
                results = stage_results.payloads(store, content)
                note, names = store.results.note(content), store.results.names(content)
                due[content] = Item(results=results, note=note, names=names)
            left += EMBED in todo and content not in due
        if not due:
            continue
        made = model.run(list(due.values()))
        with store.writing():
            for (content, item), result in zip(due.items(), made, strict=True):
                if store.results.note(content) != item.note or not isinstance(result, Result):
                    left += 1  # the note was changed again meanwhile, and that queued it
                    continue
                stage_results.save(store, content, EMBED, model.identity, result)
                store.work.done(content, [EMBED])
    return left
