"""What share of the photos a search could find, while photos are still being described."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from imgret.stages import registry
from imgret.stages.interface import DECODE, Stage
from imgret.store.interface import Store
from imgret.store.records import TEXT

if TYPE_CHECKING:
    from imgret.weights.sources import Weights


CAPTION = "caption"  # the stage


def coverage_note(
    store: Store, wants: Callable[[str], bool], locate: Callable[[Stage], Weights | None], *, by_words: bool
) -> str | None:
    """Return a sentence about the enabled stages (`wants`) that are not finished; None if all are.

    With `by_words`, only texts are searched, so vectors do not matter. Costs microseconds: the counts are kept.
    `locate` looks for the weights and packages of a stage, and is called only for stages that wait for them.
    """
    progress = store.summary.progress()
    waiting = {stage for stage, count in progress.waiting.items() if count and wants(stage)}
    if not waiting:
        return None
    own = [name for name in registry.own().names if name in waiting]
    stages = [registry.find(name) for name in [*own, *sorted(waiting.difference(own))]]
    senses = [each.name for each in stages if each is not None and _is_searched(each, by_words=by_words)]
    if len(senses) > 1 and TEXT in senses:  # its vectors are those of the other results
        senses.remove(TEXT)
    counts = [f"{progress.done(name):,} by {_sense(name)}" for name in senses]
    unread = progress.waiting[DECODE] if DECODE in waiting else 0
    if not counts and not unread:
        return None
    total = f"{progress.contents:,} photo{'' if progress.contents == 1 else 's'}"
    if counts:
        first, *more = counts
        count, by = first.split(" ", 1)
        sentence = ", ".join([f"searched {count} of {total} {by}", *more])
        rest = "all by caption" if wants(CAPTION) and CAPTION not in waiting else "the rest by name"
        sentence += f"; {unread:,} are still to be read" if unread else f"; {rest}"
    else:
        sentence = f"searched {progress.done(DECODE):,} of {total}; the others are still to be read"
    lacking = store.summary.waiting_stages().intersection(senses)
    if lacking:
        sentence += _remedy(locate(each) for each in stages if each is not None and each.name in lacking)
    return sentence


def _remedy(weights: Iterable[Weights | None]) -> str:
    """Return what to do. A stage without its package comes first: pulling weights does not help it."""
    for each in weights:
        if each is not None and each.needs is not None:
            return f"; {each.problem}. {each.hint.rstrip('.')}, then run `imgret index`"
    return ". For all of them, run `imgret models pull`, then `imgret index`"


def _sense(stage: str) -> str:
    return "text vectors" if stage == TEXT else stage


def _is_searched(stage: Stage, *, by_words: bool) -> bool:
    return bool(stage.columns) or bool(stage.views and not by_words)
