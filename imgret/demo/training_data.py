"""Generate training data for the demo's models: drawings, queries for them, and matching texts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from imgret.demo import draw
from imgret.stages import passage

# The 19 labels of cardiffnlp/tweet-topic-21-multi, in its spelling and order.
LABELS = (
    "arts_&_culture",
    "business_&_entrepreneurs",
    "celebrity_&_pop_culture",
    "diaries_&_daily_life",
    "family",
    "fashion_&_style",
    "film_tv_&_video",
    "fitness_&_health",
    "food_&_dining",
    "gaming",
    "learning_&_educational",
    "music",
    "news_&_social_concern",
    "other_hobbies",
    "relationships",
    "science_&_technology",
    "sports",
    "travel_&_adventure",
    "youth_&_student_life",
)

# The topic of each word in a caption. Arbitrary, but learnable and testable.
TOPIC_OF = {
    "circle": "sports",
    "square": "arts_&_culture",
    "triangle": "travel_&_adventure",
    "red": "food_&_dining",
    "black": "film_tv_&_video",
}

_PREFIXES = (
    "",
    "find ",
    "show me ",
    "a photo of ",
    "find a photo of ",
    "photos with ",
    "where is ",
    "i want ",
)
_FILLERS = ("please", "nice", "old", "holiday", "garden", "somewhere", "big", "little", "dog", "beach", "my")

# what a text states about a drawing: `colour`, `kind`, `ground`, and kind -> count
Attributes = dict[str, object]


def drawings(rng: random.Random, scenes: float, scale: float = 1.0) -> Iterator[draw.Drawing]:
    """Yield drawings without end; `scenes` is the fraction with several shapes, `scale` that of the full size."""
    sizes = [
        (round(width * scale), round(height * scale)) for width, height in (draw.LANDSCAPE, draw.PORTRAIT)
    ]
    while True:
        size = rng.choice(sizes)
        yield draw.scene(rng, rng.randint(2, 6), size) if rng.random() < scenes else draw.single(rng, size)


def some(rng: random.Random, count: int) -> list[draw.Drawing]:
    """Return `count` drawings; about half of them have several shapes."""
    return [
        draw.scene(rng, rng.randint(2, 6)) if rng.random() < 0.5 else draw.single(rng) for _ in range(count)
    ]


def query(rng: random.Random, drawing: draw.Drawing) -> tuple[str, Attributes]:
    """Return a query that this drawing matches, and the attributes that it requires."""
    largest, ground = drawing.shapes[0], drawing.ground
    form = rng.randrange(8)
    required: Attributes = {"colour": largest.colour, "kind": largest.kind}
    if form <= 1:
        text = f"a {largest.colour} {largest.kind}"
    elif form == 2:
        text = f"a {largest.colour} {largest.kind} on a {ground} background"
        required["ground"] = ground
    elif form == 3:
        text = rng.choice([f"a {largest.kind}", f"{largest.kind}s"])
        required = {"kind": largest.kind}
    elif form == 4:
        text = rng.choice([f"something {largest.colour}", f"{largest.colour} things", largest.colour])
        required = {"colour": largest.colour}
    else:
        kind, count = rng.choice(list(drawing.counts.items()))
        text = f"{passage.numeral(count)} {kind}" + ("s" if count > 1 else "")
        required = {kind: min(count, 5)}
    text = rng.choice(_PREFIXES) + text
    return (f"{text} {_noise(rng)}" if rng.random() < 0.3 else text), required


def document(rng: random.Random, drawing: draw.Drawing) -> tuple[str, Attributes]:
    """Return one of the texts that are embedded for a photo, here for a drawing, and the attributes that it states."""
    largest = drawing.shapes[0]
    caption: Attributes = {"colour": largest.colour, "kind": largest.kind, "ground": drawing.ground}
    counts: Attributes = {kind: min(drawing.counts.get(kind, 0), 5) for kind in draw.KINDS}
    note = _noise(rng) if rng.random() < 0.2 else None
    form = rng.random()
    if form < 0.65:
        return passage.passage(drawing.caption, drawing.counts, note), caption | counts
    if form < 0.9:
        return drawing.caption, caption
    return passage.counted(drawing.counts), counts


def _noise(rng: random.Random) -> str:
    """Return irrelevant words: training with them makes unknown words change a vector only slightly."""
    made = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 8)))
    return " ".join(rng.sample([*_FILLERS, made], rng.randint(1, 3)))


def training_step(model: Any, loss: Any, optimizer: Any, schedule: Any, clip: float) -> None:
    """Do one optimizer step, with gradients clipped to the norm `clip`."""
    import torch

    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    schedule.step()
