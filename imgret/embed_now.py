"""Compute at once the vectors of what somebody just wrote, so that the next search finds it."""

from __future__ import annotations

from collections.abc import Collection

from imgret import stage_results
from imgret.stages.interface import Item, Result, StageModel
from imgret.store.interface import Store

EMBED = "embed"  # the stage
AT_ONCE = 64  # contents


def embed_now(store: Store, model: StageModel, contents: Collection[int]) -> int:
    """Embed contents whose texts changed, where nothing else is to do for them first. -> how many are left.

    For a note that was just written. `model` is that of the stage `embed`. The caller is the one writer; what is
    left stays queued.
    """
    aside, pending = store.summary.waiting_stages(), list(contents)
    left = 0
    for start in range(0, len(pending), AT_ONCE):
        due: dict[int, Item] = {}
        for content in pending[start : start + AT_ONCE]:
            todo = set(store.work.of(content))
            if todo - aside == {EMBED}:
                results = stage_results.payloads(store, content)
                note, names = store.results.note(content), store.results.names(content)
                due[content] = Item(results=results, note=note, names=names)
            left += EMBED in todo and content not in due
        made = model.run(list(due.values()))
        with store.writing():
            for (content, item), result in zip(due.items(), made, strict=True):
                if store.results.note(content) != item.note or not isinstance(result, Result):
                    left += 1  # written again meanwhile, and queued with that
                    continue
                stage_results.save(store, content, EMBED, model.identity, result)
                store.work.done(content, [EMBED])
    return left
